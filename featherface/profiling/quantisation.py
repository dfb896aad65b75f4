"""Stored size of the networks: as float32, and with weights quantised to 8 bits."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["QuantisedSize", "quantise_weight", "quantised_size", "stored_bytes"]

_LARGEST = 127  # symmetric: -128 stays unused, so that 0 maps to 0 and the range is the same on both sides


@dataclass(frozen=True)
class QuantisedSize:
    """Bytes of a network whose convolution and linear weights are int8 with one scale per output channel.

    Biases, batch norm and fusion weights stay float32: they are few and need the precision.
    """

    weight_bytes: int  # one per quantised weight
    scale_bytes: int  # float32
    kept_bytes: int  # float32
    compressed_bytes: int  # all of it through zlib, level 9

    @property
    def total_bytes(self) -> int:
        """Return the bytes on disk without compression."""
        return self.weight_bytes + self.scale_bytes + self.kept_bytes


def stored_bytes(network: nn.Module) -> int:
    """Return the bytes of all tensors of the state dict: a weights file without its header."""
    return sum(tensor.nbytes for tensor in network.state_dict().values())


def quantise_weight(weight: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return an (O, ...) float weight as int8 of the same shape, and float32 scales (O,).

    int8 * scale is within half a scale of the weight.
    """
    values = weight.detach().float().numpy()
    axes = tuple(range(1, values.ndim))
    scales = np.abs(values).max(axis=axes).astype(np.float32) / _LARGEST
    divisors = np.where(scales > 0, scales, np.float32(1)).reshape(
        -1, *(1 for _ in axes)
    )  # all-zero channels
    return np.rint(values / divisors).astype(np.int8), scales


def quantised_size(network: nn.Module) -> QuantisedSize:
    """Return the bytes of `network` with quantised weights; the network itself stays as it is."""
    weights, scales, kept = [], [], []
    quantised = {
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }
    for name, tensor in network.state_dict().items():
        if name in quantised:
            values, scale = quantise_weight(tensor)
            weights.append(values.tobytes())
            scales.append(scale.tobytes())
        elif tensor.dtype != torch.int64:  # batch norm's count of batches serves training only
            kept.append(tensor.numpy().tobytes())
    return QuantisedSize(
        weight_bytes=sum(map(len, weights)),
        scale_bytes=sum(map(len, scales)),
        kept_bytes=sum(map(len, kept)),
        compressed_bytes=len(zlib.compress(b"".join((*weights, *scales, *kept)), level=9)),
    )
