"""Operations of both FeatherFace networks: fast normalised fusion, channel shuffle, head layout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ChannelShuffle", "cells_first", "detector_outputs", "fuse", "upsample_to"]

_FUSION_EPSILON = 1e-4  # keeps the fusion weights finite when all of them are zero


def fuse(weights: Tensor, *maps: Tensor) -> Tensor:
    """Return the weighted mean of `maps` (N, C, H, W).

    Fast normalised fusion (EfficientDet, arXiv 1911.09070): `weights` (K,) float pass a ReLU and are divided
    by their total; K may exceed the number of maps.
    """
    positive = functional.relu(weights)
    normalised = positive / (positive.sum() + _FUSION_EPSILON)
    total = normalised[0] * maps[0]
    for weight, feature in zip(normalised[1:], maps[1:], strict=False):
        total = total + weight * feature
    return total


def upsample_to(source: Tensor, target: Tensor) -> Tensor:
    """Resize `source` (N, C, h, w) to the height and width of `target` by nearest neighbour."""
    return functional.interpolate(source, size=target.shape[-2:], mode="nearest")


class ChannelShuffle(nn.Module):
    """Channel shuffle (ShuffleNet, arXiv 1707.01083): the channel axis as `rows` x `C / rows`, transposed."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, features: Tensor) -> Tensor:
        """Return `features` (N, C, H, W) with its channels reordered."""
        grid: Tensor = features.unflatten(1, (self.rows, -1))  # type: ignore[no-untyped-call]
        return grid.transpose(1, 2).flatten(1, 2)


def cells_first(head: Tensor, values: int) -> Tensor:
    """Rearrange a head's map (N, A * values, H, W) into (N, H * W * A, values), anchors innermost."""
    return head.permute(0, 2, 3, 1).reshape(head.shape[0], -1, values)


def detector_outputs(
    boxes: list[Tensor], classes: list[Tensor], points: list[Tensor], *, training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Join the levels' head maps into `loc` (N, A, 4), `conf` (N, A, 2) and `landm` (N, A, 10).

    `conf` contains logits when `training`, else probabilities; index 1 is "face".
    """
    loc = torch.cat([cells_first(level, 4) for level in boxes], dim=1)
    conf = torch.cat([cells_first(level, 2) for level in classes], dim=1)
    landm = torch.cat([cells_first(level, 10) for level in points], dim=1)
    return loc, conf if training else conf.softmax(dim=-1), landm
