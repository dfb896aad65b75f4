"""ONNX models whose convolutions compute with eight-bit integers.

Static quantisation: the range of every activation is measured on calibration images; weights get one scale
per output channel. Two kinds of convolutions stay in float32: the backbone's first stage, without which V2
lost seven points of average precision (WIDER FACE easy) in a trial with earlier weights, and those that steer
others (spatial gates, and the offsets of deformable convolutions).

By default the calibration images are ten of the sample photos at their original size. Change of the mean
average precision in trials on every fourth of 323 images of WIDER FACE val, in points:

    V1 ONNX Runtime, V1 OpenVINO, V2 ONNX Runtime, V2 OpenVINO
    -0.4  -0.7  -1.0  -0.8  four sample photos at 640 pixels
    -0.4  -0.9   0.0  -0.1  ten at their original size
    -0.1  -0.3  -0.5  +0.1  and gates, offsets and heads in float32
      -   -0.6    -   +0.3  as the line before for V1, the second for V2; outputs of convolutions not rounded

On every second image V2 loses 0.3 points in ONNX Runtime with ten photos at their original size, as much with
gates in float32, and 0.5 with heads in float32, so that the heads stay in int8.

What the shipped weights lose is measured by `featherface engines`, in weights/evaluation/engines/.
"""

from __future__ import annotations

import logging
import tempfile
from collections import defaultdict
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

_FIRST_STAGE = "body.stage1."  # paths of its layers start with it
_STEERING = {"Sigmoid", "Split"}  # operators that take in gates, and offsets of deformable convolutions


def quantised(model: onnx.ModelProto, images: Sequence[npt.NDArray[np.uint8]]) -> onnx.ModelProto:
    """Return `model` with its convolutions in int8, calibrated on `images`, each (1, H, W, 3) uint8 RGB.

    Takes about as long as running the model twice on every image. Raises ExportError without images.
    """
    if not images:
        raise ExportError("An int8 model needs calibration images: pass at least one.")
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
                nodes_to_exclude=_kept_in_float(model.graph),
                calibrate_method=CalibrationMethod.MinMax,
            )
            return onnx.load(path)
    finally:
        logger.setLevel(level)


def _kept_in_float(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the convolutions that are not quantised."""
    readers: dict[str, set[str]] = defaultdict(set)  # operators, by the value that they read
    for node in graph.node:
        for value in node.input:
            readers[value].add(node.op_type)
    return [
        node.name
        for node in graph.node
        if node.op_type == "Conv"
        and (node.name.startswith(_FIRST_STAGE) or readers[node.output[0]] <= _STEERING)
    ]


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands out one image after the other."""

    def __init__(self, images: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """Return the next input, or None after the last."""
        image = next(self._images, None)
        return None if image is None else {INPUT: image}
