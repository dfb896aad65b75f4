"""PyTorch, layer by layer: the engine that every installation has and that the others are compared with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from featherface.config import PIXEL_MEAN_BGR
from featherface.engines.protocol import EngineInfo, Precision, Predictions, check_images, memory_errors
from featherface.models.inference import inference_copy

__all__ = ["PyTorchEngine"]


class PyTorchEngine:
    """A network run by PyTorch; see `Engine`."""

    def __init__(self, network: nn.Module, threads: int = 1) -> None:
        self._network = inference_copy(network)
        self._mean = torch.tensor(PIXEL_MEAN_BGR)
        self.info = EngineInfo("pytorch", "PyTorch", torch.__version__, Precision.FLOAT32, threads)

    def run(self, images: npt.NDArray[np.uint8]) -> Predictions:
        """Run the network; see `Engine.run`."""
        check_images(images)
        bgr = torch.from_numpy(np.ascontiguousarray(images[..., ::-1]))
        threads = torch.get_num_threads()
        if threads != self.info.threads:
            torch.set_num_threads(self.info.threads)
        try:
            with memory_errors(), torch.inference_mode():
                pixels = (bgr.float() - self._mean).permute(0, 3, 1, 2)  # channels last in memory
                return Predictions(*(output.numpy() for output in self._network(pixels)))
        finally:
            if threads != self.info.threads:
                torch.set_num_threads(threads)
