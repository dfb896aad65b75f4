"""ONNX Runtime on the processor. A model file runs without PyTorch; only `of_network` needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnxruntime

from featherface.engines.protocol import (
    INPUT,
    OUTPUTS,
    EngineInfo,
    Precision,
    Predictions,
    check_images,
    memory_errors,
)

if TYPE_CHECKING:
    from torch import nn

__all__ = ["OnnxRuntimeEngine", "onnx_session"]

_ERRORS_ONLY = 3  # severity of log lines
_SHRINKING_PIXELS = 1024 * 1024  # a larger pass gives its memory back, which costs it a few per cent

onnxruntime.disable_telemetry_events()  # Windows builds report to Microsoft unless told not to


def onnx_session(model: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """Load an ONNX model that runs on the processor with so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads  # 1: in the caller's thread, no pool
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need the cores
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OnnxRuntimeEngine:
    """An ONNX model with the inputs and outputs of `onnx_model`; see `Engine`."""

    def __init__(self, model: bytes, threads: int = 1, precision: Precision = Precision.FLOAT32) -> None:
        self._session = onnx_session(model, threads)
        version = onnxruntime.__version__
        self.info = EngineInfo("onnxruntime", "ONNX Runtime", version, precision, threads)

    @classmethod
    def of_network(cls, network: nn.Module, threads: int = 1) -> OnnxRuntimeEngine:
        """Load a PyTorch network. Raises EngineError for a layer that has no ONNX form."""
        from featherface.engines.onnx_graph import onnx_model  # PyTorch

        return cls(onnx_model(network).SerializeToString(), threads)

    def run(self, images: npt.NDArray[np.uint8]) -> Predictions:
        """Run the network; see `Engine.run`."""
        check_images(images)
        options = onnxruntime.RunOptions()
        if images.size > 3 * _SHRINKING_PIXELS:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        with memory_errors():
            return Predictions(*self._session.run(list(OUTPUTS), {INPUT: images}, options))
