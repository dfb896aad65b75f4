"""OpenVINO on the processor. A model file runs without PyTorch; only `of_network` needs it."""

from __future__ import annotations

import os
import queue
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import openvino
from openvino import opset8, opset13
from openvino.frontend import NodeContext
from openvino.frontend.onnx import ConversionExtension

from featherface.engines.protocol import (
    EngineError,
    EngineInfo,
    Precision,
    Predictions,
    check_images,
    memory_errors,
)

if TYPE_CHECKING:
    from torch import nn

__all__ = ["OpenVinoEngine", "openvino_model"]

_INFERENCE_TYPES = {Precision.BFLOAT16: "bf16"}  # else float32, so that results are the same everywhere
_CACHED_KERNELS = 256  # compiled for the layers of the input sizes used last; the default keeps 5,000


def openvino_model(model: bytes) -> openvino.Model:
    """Read an ONNX model, native deformable convolutions included, which OpenVINO does not read by itself."""
    return _core().read_model(model, b"")


class OpenVinoEngine:
    """An OpenVINO model with the inputs and outputs of `onnx_model`; see `Engine`."""

    def __init__(
        self, model: openvino.Model, threads: int = 1, precision: Precision = Precision.FLOAT32
    ) -> None:
        model = model.clone()
        # one image per pass: with a batch of any size every pass takes three times as long
        model.reshape([1, -1, -1, 3])
        settings = {
            "INFERENCE_PRECISION_HINT": _INFERENCE_TYPES.get(precision, "f32"),
            "INFERENCE_NUM_THREADS": threads * _passes_at_once(threads),
            "NUM_STREAMS": _passes_at_once(threads),
            "CPU_RUNTIME_CACHE_CAPACITY": _CACHED_KERNELS,
        }
        self._compiled = _core().compile_model(model, "CPU", settings)
        self._idle: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        version = openvino.__version__.partition("-")[0]
        self.info = EngineInfo("openvino", "OpenVINO", version, precision, threads)

    @classmethod
    def of_network(
        cls, network: nn.Module, threads: int = 1, precision: Precision = Precision.FLOAT32
    ) -> OpenVinoEngine:
        """Load a PyTorch network. Raises EngineError for a layer that has no ONNX form."""
        from featherface.engines.onnx_graph import onnx_model  # PyTorch

        model = onnx_model(network, channel_parts=1)
        return cls(openvino_model(model.SerializeToString()), threads, precision)

    @classmethod
    def of_file(
        cls, path: Path, threads: int = 1, precision: Precision = Precision.FLOAT32
    ) -> OpenVinoEngine:
        """Load an OpenVINO IR file (.xml beside .bin) or an ONNX file, as OpenVINO itself reads it.

        Raises EngineError for a file that it does not read, with its reason.
        """
        try:
            model = openvino.Core().read_model(path)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO does not read {path.name}: {_reason(error)}.") from error
        return cls(model, threads, precision)

    def run(self, images: npt.NDArray[np.uint8]) -> Predictions:
        """Run the network; see `Engine.run`."""
        check_images(images)
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            with memory_errors():
                results = [request.infer([image[None]], share_outputs=False) for image in images]
        finally:
            self._idle.put(request)
        loc, conf, landm = (np.concatenate([result[index] for result in results]) for index in range(3))
        return Predictions(loc, conf, landm)


def _passes_at_once(threads: int) -> int:
    return max(1, (os.cpu_count() or 1) // threads)


def _reason(error: RuntimeError) -> str:
    """Return the line of OpenVINO's report that says why; the last one sums it up."""
    lines = [line.removeprefix("-- ") for line in str(error).splitlines() if line.strip()]
    summary = [line for line in lines if line.startswith("No conversion rule")]
    return (summary or lines or ["no reason given"])[-1].removesuffix(".")


def _core() -> openvino.Core:
    core = openvino.Core()
    core.add_extension(ConversionExtension("DeformConv", _deformable_convolution))
    return core


def _deformable_convolution(node: NodeContext) -> list[openvino.Output]:
    """Turn an ONNX `DeformConv` 3 x 3 with padding 1 into OpenVINO's; zeros outside need the last option."""
    features, weight, offsets, bias, masks = (node.get_input(index) for index in range(5))
    one = [1, 1]
    convolved = opset8.deformable_convolution(
        features, offsets, weight, one, one, one, one, mask=masks, bilinear_interpolation_pad=True
    )
    channels = opset13.unsqueeze(bias, opset13.constant(np.array([0, 2, 3])))
    return list(opset13.add(convolved, channels).outputs())
