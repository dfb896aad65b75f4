"""ONNX models whose convolutions compute with eight-bit integers.

Static quantisation: the range of every activation is measured on calibration images; weights get one scale
per output channel. The backbone's first stage stays in float32: with it in eight bits V2 lost seven points of
average precision (WIDER FACE easy) in a trial with earlier weights. What the shipped weights lose as they are
quantised here is measured by `featherface engines`, in weights/evaluation/engines/.

By default the calibration images are four of the sample photos, fitted to 640 pixels. Trials with V2 on 323
images of WIDER FACE val (easy, medium, hard):

- earlier weights: float32 0.891, 0.868, 0.675; these four 0.891, 0.871, 0.676; 64 street and office photos
  0.887, 0.869, 0.677
- later weights: float32 0.900, 0.879, 0.683; these four 0.897, 0.877, 0.677; ten sample photos 0.897, 0.877,
  0.676, and at their original size 0.900, 0.878, 0.680
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from featherface.engines.protocol import INPUT
from featherface.export.export_error import ExportError

__all__ = ["quantised"]

_KEPT_IN_FLOAT = "body.stage1."  # paths of the layers start with it


def quantised(model: onnx.ModelProto, images: Sequence[npt.NDArray[np.uint8]]) -> onnx.ModelProto:
    """Return `model` with its convolutions in int8, calibrated on `images`, each (1, H, W, 3) uint8 RGB.

    Takes about as long as running the model twice on every image. Raises ExportError without images.
    """
    if not images:
        raise ExportError("An int8 model needs calibration images: pass at least one.")
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it advises a preparation that this model does not need
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, path = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
            onnx.save(model, source)
            quantize_static(
                source,
                path,
                _Images(images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[name for name in convolutions if name.startswith(_KEPT_IN_FLOAT)],
                calibrate_method=CalibrationMethod.MinMax,
            )
            return onnx.load(path)
    finally:
        logger.setLevel(level)


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands out one image after the other."""

    def __init__(self, images: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """Return the next input, or None after the last."""
        image = next(self._images, None)
        return None if image is None else {INPUT: image}
