"""Layers that both FeatherFace networks use: fast normalised fusion, channel shuffle, head layout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ChannelShuffle", "cells_first", "detector_outputs", "fuse", "upsample_to"]

_FUSION_EPSILON = 1e-4  # keeps the fusion weights finite when all of them are zero


def fuse(weights: Tensor, *maps: Tensor) -> Tensor:
    """Fast normalised fusion (EfficientDet, arXiv 1911.09070): sum of ReLU weights over their total.

    `weights` (K,) float with K at least `len(maps)`; all K take part in the total. Maps (N, C, H, W).
    """
    positive = functional.relu(weights)
    normalised = positive / (positive.sum() + _FUSION_EPSILON)
    total = normalised[0] * maps[0]
    for weight, feature in zip(normalised[1:], maps[1:], strict=False):
        total = total + weight * feature
    return total


def upsample_to(source: Tensor, target: Tensor) -> Tensor:
    """Nearest-neighbour resize of `source` (N, C, h, w) to the height and width of `target`."""
    return functional.interpolate(source, size=target.shape[-2:], mode="nearest")


class ChannelShuffle(nn.Module):
    """Interleave the channels of (N, C, H, W) (ShuffleNet, arXiv 1707.01083).

    The channel axis is seen as `rows` x `C / rows`, then transposed.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, features: Tensor) -> Tensor:
        """Return `features` (N, C, H, W) with its channels reordered."""
        return features.unflatten(1, (self.rows, -1)).transpose(1, 2).flatten(1, 2)


def cells_first(head: Tensor, values: int) -> Tensor:
    """Lay a head's map (N, A * values, H, W) out as (N, H * W * A, values), anchors innermost."""
    return head.permute(0, 2, 3, 1).reshape(head.shape[0], -1, values)


def detector_outputs(
    boxes: list[Tensor], classes: list[Tensor], points: list[Tensor], *, training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Join the levels' head maps into `loc` (N, A, 4), `conf` (N, A, 2) and `landm` (N, A, 10).

    `conf` holds logits when training and probabilities (index 1 is "face") when not.
    """
    loc = torch.cat([cells_first(level, 4) for level in boxes], dim=1)
    conf = torch.cat([cells_first(level, 2) for level in classes], dim=1)
    landm = torch.cat([cells_first(level, 10) for level in points], dim=1)
    return loc, conf if training else conf.softmax(dim=-1), landm
