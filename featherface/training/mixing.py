"""MixUp, CutMix and DropBlock, with targets that stay right."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from featherface.training.batches import Batch

__all__ = ["cutmix", "dropblock", "mixup"]

_VISIBLE = 0.5  # share of a face's box that must show for the face to stay a target


def mixup(batch: Batch, share: float) -> Batch:
    """Blend each picture with the one before it, `share` of its own (MixUp, arXiv 1710.09412).

    Both pictures' faces stay, each weighted by its picture's share, so that a faded face is never background.
    """
    other = batch.pixels.roll(1, dims=0).float()
    pixels = batch.pixels.float() * share + other * (1 - share)
    weights = [weights * share for weights in batch.weights]
    fainter = [weights * (1 - share) for weights in batch.weights]
    return Batch(
        pixels.round().to(torch.uint8),
        _joined(batch.boxes, _rolled(batch.boxes)),
        _joined(batch.landmarks, _rolled(batch.landmarks)),
        _joined(weights, _rolled(fainter)),
        batch.complete & batch.complete.roll(1, dims=0),
    )


def cutmix(batch: Batch, left: int, top: int, width: int, height: int) -> Batch:
    """Paste one rectangle of the picture before into each picture (CutMix, arXiv 1905.04899).

    A face stays a target while half of its box shows; its landmarks stay when all of them show. A picture in
    which a face was cut to less is no longer complete: what is left of that face is not background.
    """
    rectangle = batch.pixels.new_tensor([left, top, left + width, top + height], dtype=torch.float32)
    pixels = batch.pixels.clone()
    pixels[:, :, top : top + height, left : left + width] = batch.pixels.roll(1, dims=0)[
        :, :, top : top + height, left : left + width
    ]
    kept = [_kept(batch, index, rectangle, inside=False) for index in range(len(batch.boxes))]
    pasted = _rolled([_kept(batch, index, rectangle, inside=True) for index in range(len(batch.boxes))])
    whole = torch.tensor([mine[3] and theirs[3] for mine, theirs in zip(kept, pasted, strict=True)])
    return Batch(
        pixels,
        *(_joined([mine[part] for mine in kept], [theirs[part] for theirs in pasted]) for part in range(3)),
        batch.complete & batch.complete.roll(1, dims=0) & whole.to(batch.complete.device),
    )


def dropblock(features: Tensor, share: float) -> Tensor:
    """Zero random 3 x 3 blocks, about `share` of the cells of (N, C, H, W) (DropBlock, arXiv 1810.12890)."""
    seeds = torch.rand_like(features) < share / 9
    dropped = functional.max_pool2d(seeds.to(features.dtype), 3, stride=1, padding=1)
    kept = 1 - dropped
    return features * kept * (kept.numel() / kept.sum().clamp_min(1))


def _kept(
    batch: Batch, index: int, rectangle: Tensor, *, inside: bool
) -> tuple[Tensor, Tensor, Tensor, bool]:
    """Return boxes, landmarks and weights of the faces that still show; False if one was cut to less."""
    boxes, points = batch.boxes[index], batch.landmarks[index]
    low, high = torch.maximum(boxes[:, :2], rectangle[:2]), torch.minimum(boxes[:, 2:], rectangle[2:])
    covered = (high - low).clamp_min(0).prod(dim=1) / (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp_min(
        1e-9
    )
    shown = covered if inside else 1 - covered
    stays = shown >= _VISIBLE
    within = ((points >= rectangle[:2]) & (points < rectangle[2:])).all(dim=2)  # (F, 5)
    all_show = (within if inside else ~within).all(dim=1)
    points = torch.where(all_show[:, None, None], points, torch.nan)
    boxes = torch.cat((low, high), dim=1) if inside else boxes
    return boxes[stays], points[stays], batch.weights[index][stays], bool((stays | (shown <= 0)).all())


def _rolled(items: list) -> list:
    return items[-1:] + items[:-1]


def _joined(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    return [torch.cat(pair) for pair in zip(first, second, strict=True)]
