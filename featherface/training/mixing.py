"""MixUp, CutMix and DropBlock, with labels that stay correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from featherface.training.batches import Batch

__all__ = ["cutmix", "dropblock", "mixup"]

_VISIBLE = 0.5  # least visible share of a box for its face to stay a target

T = TypeVar("T")


def mixup(batch: Batch, share: float) -> Batch:
    """Blend each image with the previous one, `share` of its own.

    The faces of both images stay, weighted by their image's share, so that a faint face is never background.
    Reference: mixup, arXiv:1710.09412.
    """
    other = batch.pixels.roll(1, dims=0).float()
    pixels = batch.pixels.float() * share + other * (1 - share)
    weights = [weights * share for weights in batch.weights]
    fainter = [weights * (1 - share) for weights in batch.weights]
    return Batch(
        pixels.round().to(torch.uint8),
        _joined(batch.boxes, _rolled(batch.boxes)),
        _joined(batch.landmarks, _rolled(batch.landmarks)),
        _joined(batch.scores, _rolled(batch.scores)),
        _joined(weights, _rolled(fainter)),
        batch.complete & batch.complete.roll(1, dims=0),
    )


def cutmix(batch: Batch, left: int, top: int, width: int, height: int) -> Batch:
    """Paste one rectangle of the previous image into each image.

    A face stays a target while at least half of its box is visible; its landmarks stay if all are visible. An
    image with a face of which less is visible is no longer complete, because the rest is not background.
    Reference: CutMix, arXiv:1905.04899.
    """
    rectangle = batch.pixels.new_tensor([left, top, left + width, top + height], dtype=torch.float32)
    pixels = batch.pixels.clone()
    pixels[:, :, top : top + height, left : left + width] = batch.pixels.roll(1, dims=0)[
        :, :, top : top + height, left : left + width
    ]
    count = len(batch.boxes)
    kept = [_visible_faces(batch, index, rectangle, inside=False) for index in range(count)]
    pasted = _rolled([_visible_faces(batch, index, rectangle, inside=True) for index in range(count)])
    whole = torch.tensor([mine[4] and theirs[4] for mine, theirs in zip(kept, pasted, strict=True)])
    return Batch(
        pixels,
        _joined([mine[0] for mine in kept], [theirs[0] for theirs in pasted]),
        _joined([mine[1] for mine in kept], [theirs[1] for theirs in pasted]),
        _joined([mine[2] for mine in kept], [theirs[2] for theirs in pasted]),
        _joined([mine[3] for mine in kept], [theirs[3] for theirs in pasted]),
        batch.complete & batch.complete.roll(1, dims=0) & whole.to(batch.complete.device),
    )


def dropblock(features: Tensor, share: float) -> Tensor:
    """Zero about `share` of the cells of (N, C, H, W) in random 3 x 3 blocks. Reference: arXiv:1810.12890."""
    seeds = torch.rand_like(features) < share / 9
    dropped = functional.max_pool2d(seeds.to(features.dtype), 3, stride=1, padding=1)
    kept = 1 - dropped
    return features * kept * (kept.numel() / kept.sum().clamp_min(1))


def _visible_faces(
    batch: Batch, index: int, rectangle: Tensor, *, inside: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    """Return the visible faces: boxes, landmarks, scores, weights; True if no face was cut away in part."""
    boxes, points = batch.boxes[index], batch.landmarks[index]
    low, high = torch.maximum(boxes[:, :2], rectangle[:2]), torch.minimum(boxes[:, 2:], rectangle[2:])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp_min(1e-9)
    covered = (high - low).clamp_min(0).prod(dim=1) / areas
    shown = covered if inside else 1 - covered
    stays = shown >= _VISIBLE
    within = ((points >= rectangle[:2]) & (points < rectangle[2:])).all(dim=2)  # (F, 5)
    all_visible = (within if inside else ~within).all(dim=1)
    points = torch.where(all_visible[:, None, None], points, torch.nan)
    boxes = torch.cat((low, high), dim=1) if inside else boxes
    whole = bool((stays | (shown <= 0)).all())
    return boxes[stays], points[stays], batch.scores[index][stays], batch.weights[index][stays], whole


def _rolled(items: Sequence[T]) -> list[T]:
    return [*items[-1:], *items[:-1]]


def _joined(first: Sequence[Tensor], second: Sequence[Tensor]) -> list[Tensor]:
    return [torch.cat(pair) for pair in zip(first, second, strict=True)]
