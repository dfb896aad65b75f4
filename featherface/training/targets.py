"""Training targets: the face each anchor is responsible for, encoded as offsets against the anchor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from featherface.config import VARIANCES
from featherface.detection import anchors as anchor_grid
from featherface.training.samples import CERTAIN

__all__ = [
    "Targets",
    "anchor_tensor",
    "assign",
    "best_overlaps",
    "decode_boxes",
    "encode_boxes",
    "encode_landmarks",
    "image_targets",
    "iou",
]

_CENTRE_VARIANCE, _SIZE_VARIANCE = VARIANCES
_FORCED_IOU = 0.2  # a face gets its best anchor only from this overlap; below, it is too small to be learned
_BOXES_AT_ONCE = 256  # bounds the memory that a crowd takes


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of the A anchors of one image.

    face: (A,) int64, index of the face the anchor is responsible for, -1 for background.
    uncertain: (A,) bool, the anchor overlaps an uncertain box and is neither a positive nor a negative.
    loc: (A, 4) float32 box offsets.
    landm: (A, 10) float32 landmark offsets, NaN where unknown.
    weights: (A,) float32, the weight of the face, 1 for background.
    """

    face: Tensor
    uncertain: Tensor
    loc: Tensor
    landm: Tensor
    weights: Tensor


@lru_cache(maxsize=4)
def anchor_tensor(size: int, device: torch.device) -> Tensor:
    """Return the anchors of a `size` x `size` input: (A, 4) float32, cx cy w h in pixels."""
    return torch.tensor(anchor_grid.anchors(size, size), device=device) * size


def assign(boxes: Tensor, anchors: Tensor, match_iou: float) -> Tensor:
    """Return the face each anchor is responsible for, (A,) int64, -1 for none.

    boxes (F, 4) x1 y1 x2 y2 and anchors (A, 4) cx cy w h in the same unit. An anchor takes the face it
    overlaps most if their IoU reaches `match_iou`; every face with an anchor of IoU 0.2 or more also gets its
    best one.
    """
    faces = torch.full((len(anchors),), -1, dtype=torch.long, device=anchors.device)
    if not len(boxes):
        return faces
    overlaps = iou(boxes, _corners(anchors))
    best_overlap, best_face = overlaps.max(dim=0)
    faces = torch.where(best_overlap >= match_iou, best_face, faces)
    best_of_face, best_anchor = overlaps.max(dim=1)
    learnable = best_of_face >= _FORCED_IOU
    faces[best_anchor[learnable]] = torch.arange(len(boxes), device=anchors.device)[learnable]
    return faces


def best_overlaps(boxes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Return each anchor's highest IoU with a box, (A,) float32, and the index of that box, (A,) int64.

    boxes (F, 4) x1 y1 x2 y2 and anchors (A, 4) cx cy w h in the same unit. 0 and -1 where nothing overlaps.
    """
    overlap = anchors.new_zeros(len(anchors))
    index = torch.full((len(anchors),), -1, dtype=torch.long, device=anchors.device)
    corners = _corners(anchors)
    for start in range(0, len(boxes), _BOXES_AT_ONCE):
        value, place = iou(boxes[start : start + _BOXES_AT_ONCE], corners).max(dim=0)
        better = value > overlap
        overlap = torch.where(better, value, overlap)
        index = torch.where(better, place + start, index)
    return overlap, index


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Encode boxes (N, 4) x1 y1 x2 y2 as offsets (N, 4) against anchors (N, 4) cx cy w h."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    sizes = (boxes[:, 2:] - boxes[:, :2]).clamp_min(1e-3)  # a clipped box can be empty
    return torch.cat(
        (
            (centres - anchors[:, :2]) / (_CENTRE_VARIANCE * anchors[:, 2:]),
            torch.log(sizes / anchors[:, 2:]) / _SIZE_VARIANCE,
        ),
        dim=1,
    )


def decode_boxes(loc: Tensor, anchors: Tensor) -> Tensor:
    """Decode offsets (N, 4) against anchors (N, 4) cx cy w h into boxes (N, 4) x1 y1 x2 y2."""
    centres = anchors[:, :2] + loc[:, :2] * _CENTRE_VARIANCE * anchors[:, 2:]
    halves = anchors[:, 2:] * torch.exp(loc[:, 2:] * _SIZE_VARIANCE) / 2
    return torch.cat((centres - halves, centres + halves), dim=1)


def encode_landmarks(landmarks: Tensor, anchors: Tensor) -> Tensor:
    """Encode landmarks (N, 5, 2) as offsets (N, 10) against anchors (N, 4) cx cy w h."""
    offsets = (landmarks - anchors[:, None, :2]) / (_CENTRE_VARIANCE * anchors[:, None, 2:])
    return offsets.flatten(1)


def image_targets(
    boxes: Tensor,
    landmarks: Tensor,
    scores: Tensor,
    weights: Tensor,
    anchors: Tensor,
    match_iou: float,
) -> Targets:
    """Encode the labels of one image as targets.

    boxes (F, 4), landmarks (F, 5, 2), scores and weights (F,), anchors (A, 4) cx cy w h in pixels.
    """
    certain = scores >= CERTAIN
    uncertain = best_overlaps(boxes[~certain], anchors)[0] >= match_iou
    boxes, landmarks, weights = boxes[certain], landmarks[certain], weights[certain]
    face = assign(boxes, anchors, match_iou)
    positive = face >= 0
    count = len(anchors)
    loc, landm = anchors.new_zeros(count, 4), anchors.new_full((count, 10), torch.nan)
    anchor_weights = anchors.new_ones(count)
    chosen = face[positive]
    loc[positive] = encode_boxes(boxes[chosen], anchors[positive])
    landm[positive] = encode_landmarks(landmarks[chosen], anchors[positive])
    anchor_weights[positive] = weights[chosen]
    return Targets(face, uncertain & ~positive, loc, landm, anchor_weights)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union of boxes (N, 4) and others (M, 4), x1 y1 x2 y2: (N, M)."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clamp_min(0).prod(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp_min(0).prod(dim=1)
    other_areas = (others[:, 2:] - others[:, :2]).clamp_min(0).prod(dim=1)
    return shared / (areas[:, None] + other_areas[None] - shared).clamp_min(1e-9)


def _corners(anchors: Tensor) -> Tensor:
    return torch.cat((anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2), dim=1)
