"""Targets: which anchor answers for which face, and faces encoded as offsets against anchors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from featherface.config import VARIANCES
from featherface.detection import anchors as anchor_grid

__all__ = ["Targets", "anchor_tensor", "assign", "encode_boxes", "encode_landmarks", "picture_targets"]

_CENTRE_VARIANCE, _SIZE_VARIANCE = VARIANCES
_FORCED_IOU = 0.2  # a face whose best anchor overlaps it less than this is too small or too odd to be taught


@dataclass(frozen=True, eq=False)
class Targets:
    """What the anchors (A,) of one picture should say.

    `face` (A,) int64: index of the face each answers for, -1 for background; `loc` (A, 4) and `landm` (A, 10)
    float32, the latter NaN without landmarks; `weights` (A,) float32, that of the face, 1 for background.
    """

    face: Tensor
    loc: Tensor
    landm: Tensor
    weights: Tensor


@lru_cache(maxsize=4)
def anchor_tensor(size: int, device: torch.device) -> Tensor:
    """Return the anchors (A, 4) of a `size` x `size` input in pixels: centre x, centre y, width, height."""
    return torch.tensor(anchor_grid.anchors(size, size), device=device) * size


def assign(boxes: Tensor, anchors: Tensor, match_iou: float) -> Tensor:
    """Return for each anchor (A,) the face it answers for, -1 for none.

    boxes (F, 4) x1 y1 x2 y2 and anchors (A, 4) cx cy w h in the same unit. An anchor takes the face it
    overlaps most if their IoU reaches `match_iou`; each face that some anchor overlaps by 0.2 also gets its
    best one.
    """
    faces = torch.full((len(anchors),), -1, dtype=torch.long, device=anchors.device)
    if not len(boxes):
        return faces
    overlaps = _iou(
        boxes, torch.cat((anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2), 1)
    )
    best_overlap, best_face = overlaps.max(dim=0)
    faces = torch.where(best_overlap >= match_iou, best_face, faces)
    best_of_face, best_anchor = overlaps.max(dim=1)
    taught = best_of_face >= _FORCED_IOU
    faces[best_anchor[taught]] = torch.arange(len(boxes), device=anchors.device)[taught]
    return faces


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Turn boxes (N, 4) x1 y1 x2 y2 into offsets (N, 4) against anchors (N, 4) cx cy w h."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    sizes = (boxes[:, 2:] - boxes[:, :2]).clamp_min(1e-3)  # a clipped face can be a sliver
    return torch.cat(
        (
            (centres - anchors[:, :2]) / (_CENTRE_VARIANCE * anchors[:, 2:]),
            torch.log(sizes / anchors[:, 2:]) / _SIZE_VARIANCE,
        ),
        dim=1,
    )


def encode_landmarks(landmarks: Tensor, anchors: Tensor) -> Tensor:
    """Turn points (N, 5, 2) into offsets (N, 10) against anchors (N, 4) cx cy w h."""
    offsets = (landmarks - anchors[:, None, :2]) / (_CENTRE_VARIANCE * anchors[:, None, 2:])
    return offsets.flatten(1)


def picture_targets(
    boxes: Tensor, landmarks: Tensor, weights: Tensor, anchors: Tensor, match_iou: float
) -> Targets:
    """Encode the faces of one picture: boxes (F, 4), landmarks (F, 5, 2), weights (F,); anchors (A, 4)."""
    face = assign(boxes, anchors, match_iou)
    found = face >= 0
    count = len(anchors)
    loc, landm = anchors.new_zeros(count, 4), anchors.new_full((count, 10), torch.nan)
    anchor_weights = anchors.new_ones(count)
    chosen = face[found]
    loc[found] = encode_boxes(boxes[chosen], anchors[found])
    landm[found] = encode_landmarks(landmarks[chosen], anchors[found])
    anchor_weights[found] = weights[chosen]
    return Targets(face, loc, landm, anchor_weights)


def _iou(boxes: Tensor, others: Tensor) -> Tensor:
    corner_low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    corner_high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (corner_high - corner_low).clamp_min(0).prod(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp_min(0).prod(dim=1)
    other_areas = (others[:, 2:] - others[:, :2]).clamp_min(0).prod(dim=1)
    return shared / (areas[:, None] + other_areas[None] - shared).clamp_min(1e-9)
