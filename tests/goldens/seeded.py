"""Network states and inputs from a documented seed, so that a golden file holds outputs only.

PCG64's raw integers are part of NumPy's compatibility guarantee, so the values are the same everywhere.
"""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from featherface.config import PIXEL_MEAN_BGR
from featherface.models import FaceNetwork, ModelEntry

SEED = 517
SIZES = ((96, 128), (65, 97))  # height, width; the second leaves a remainder at every stride


class SeededValues:
    """A stream of float64 values from PCG64."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        """Return values in [low, high)."""
        integers = np.asarray(self._bits.random_raw(prod(shape)), np.uint64) >> np.uint64(11)
        return (low + (high - low) * integers * 2.0**-53).reshape(shape)


def _values(name: str, shape: tuple[int, ...], stream: SeededValues) -> np.ndarray:
    kind = name.rpartition(".")[2]
    if len(shape) > 1:  # convolutions and linear layers: keeps the variance of what passes through near 1
        bound = (3 / prod(shape[1:])) ** 0.5
        return stream.uniform(-bound, bound, shape)
    if kind == "weight":  # of batch norm
        return stream.uniform(0.5, 1.5, shape)
    if kind == "bias":
        return stream.uniform(-0.5, 0.5, shape)
    return stream.uniform(0.1, 1.0, shape)  # fusion weights; at zero or below a map would not count


def seeded_network(entry: ModelEntry) -> FaceNetwork:
    """Return the network of `entry` in evaluation mode and float64, every parameter seeded.

    Batch norm takes its statistics from one seeded image, so that signals neither die out nor explode.
    """
    network = entry.builder().double()
    stream = SeededValues(SEED)
    for name, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(_values(name, tuple(parameter.shape), stream))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(seeded_pixels(*SIZES[0]))
    return network.eval()


def seeded_pixels(height: int, width: int) -> Tensor:
    """Return a noise image as network input, (1, 3, H, W) float64, BGR minus the mean."""
    bgr = np.floor(SeededValues(SEED).uniform(0, 256, (height, width, 3))) - PIXEL_MEAN_BGR
    return torch.from_numpy(bgr.transpose(2, 0, 1)[None].copy())
