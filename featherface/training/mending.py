"""Mending: correct a teacher's outputs with labels that are better than the teacher at this scale.

Labels made once from enlarged images, or by people, contain small and unusual faces that the teacher misses
at the student's own scale. They enter through the teacher's outputs, so a single soft loss teaches both.
MultiBox on the same labels at full weight cost two points of average precision on WIDER FACE easy and gained
none on hard.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from featherface.models.face_network import HeadOutputs
from featherface.training.batches import Batch
from featherface.training.samples import CERTAIN
from featherface.training.targets import best_overlaps, decode_boxes, encode_boxes, encode_landmarks, iou

__all__ = ["Mended", "mended"]

_TRUSTED = 0.5  # from this score the teacher's own box and landmarks are kept
_SUSPECT = 0.05  # from this score a teacher's detection away from the labels is corrected
_BACKGROUND = 0.01  # score that replaces a false positive's
_ON_FACE = 0.3  # least IoU of a teacher's box with a label for a true positive
_VISIBLE_FACE = 24  # pixels of the longer side from which a labelled face is recognisable
_LABEL_IS_MORE_EXACT = 32  # pixels of the longer side up to which the label's box replaces the teacher's
_LARGE_FACE = 64  # pixels of height from which eyes and mouths are detected as faces of their own
_CORE = 0.8  # middle of a face as a share of its sides; another face can be visible in its corners
_PART_AREA = 0.2  # most area of such a part as a share of the face's


class Mended(NamedTuple):
    """A teacher's corrected outputs, and the weight (N, A) in 0..1 of each anchor's box and landmarks."""

    outputs: HeadOutputs
    located: Tensor


def mended(
    outputs: HeadOutputs, batch: Batch, anchors: Tensor, *, match_iou: float, face_score: float
) -> Mended:
    """Return the teacher's outputs corrected by the labels.

    `outputs` are loc (N, A, 4), class probabilities (N, A, 2) and landm (N, A, 10); anchors (A, 4) cx cy w h
    in pixels.

    - An anchor whose IoU with a certain face reaches `match_iou` scores at least `face_score`. If the teacher
      scored it below 0.5 or the face is under 32 pixels, it also gets the label's box and landmarks (NaN
      where unknown): labels from enlarged images are more exact. Its box counts fully whatever the score. For
      a face under 24 pixels, which may not be recognisable at this scale, the score is the mean, in log-odds,
      of the teacher's and the label's (at most `face_score`). Taught with 0.9, such faces made V2 report
      faces in textures: 7.5 false positives per image without faces, against 1.5 before. Faces too small for
      an anchor stay unlearned: with an anchor each, V2 found 1% more of them and a third more false ones.
    - A small detection inside a large labelled face becomes background; in complete images, so does every
      detection away from all labels.
    - An anchor on an uncertain box keeps the teacher's output.
    """
    loc, probabilities, landm = outputs
    taught = probabilities[..., 1]
    labels = _padded(batch)
    certain = labels.boxes * (labels.scores >= CERTAIN)[..., None]  # an empty box overlaps nothing
    best = [
        best_overlaps(faces[: len(own)], anchors) for faces, own in zip(certain, batch.boxes, strict=True)
    ]
    overlap, index = (torch.stack(values) for values in zip(*best, strict=True))  # (N, A)
    on_face = overlap >= match_iou
    boxes, points, scores = (_gathered(values, index.clamp_min(0)) for values in labels)
    sides = (boxes[..., 2:] - boxes[..., :2]).amax(dim=-1)
    replaced = (on_face & ((taught < _TRUSTED) | (sides < _LABEL_IS_MORE_EXACT)))[..., None]
    every_anchor = anchors.repeat(len(loc), 1)
    mended_loc = encode_boxes(boxes.flatten(0, 1), every_anchor).view_as(loc)
    mended_landm = encode_landmarks(points.flatten(0, 1), every_anchor).view_as(landm)

    size = batch.pixels.shape[-1]
    found = decode_boxes(loc.flatten(0, 1), every_anchor).view_as(loc).clamp(0, size)
    false = _inside_a_large_face(found, certain)
    if batch.complete.any():
        away = _away_from(found[batch.complete], labels.boxes[batch.complete])
        false[batch.complete] |= away
    face = torch.where((taught > _SUSPECT) & ~on_face & false, _BACKGROUND, taught)
    wanted = _face_scores(face, sides, scores, face_score)
    face = torch.where(on_face, torch.maximum(face, wanted), face)
    changed = (face != taught)[..., None]
    corrected = (
        torch.where(replaced, mended_loc, loc),
        torch.where(changed, torch.stack((1 - face, face), dim=-1), probabilities),
        torch.where(replaced, mended_landm, landm),
    )
    return Mended(corrected, torch.maximum(face, on_face.float()))


class _Labels(NamedTuple):
    """The labels of N images, filled up to the same number F of faces with empty boxes of score 0."""

    boxes: Tensor  # (N, F, 4)
    points: Tensor  # (N, F, 5, 2)
    scores: Tensor  # (N, F)


def _padded(batch: Batch) -> _Labels:
    parts = (batch.boxes, batch.landmarks, batch.scores)
    padded = _Labels(*(pad_sequence(list(part), batch_first=True) for part in parts))
    if padded.scores.shape[1]:
        return padded
    return _Labels(*(values.new_zeros(len(values), 1, *values.shape[2:]) for values in padded))


def _gathered(values: Tensor, index: Tensor) -> Tensor:
    """Return `values` (N, F, ...) of the faces `index` (N, A): (N, A, ...)."""
    image = torch.arange(len(values), device=values.device)[:, None]
    return values[image, index]


def _face_scores(taught: Tensor, sides: Tensor, scores: Tensor, face_score: float) -> Tensor:
    """Return the least score (N, A) of anchors by the label of each: its longer side and its score (N, A).

    `taught` (N, A) are the teacher's scores.
    """
    certain = scores.clamp(max=face_score)
    between = ((torch.logit(taught, 1e-6) + torch.logit(certain, 1e-6)) / 2).sigmoid()
    return torch.where(sides >= _VISIBLE_FACE, face_score, between)


def _inside_a_large_face(found: Tensor, faces: Tensor) -> Tensor:
    """Return which of `found` (N, A, 4) are small and inside a large one of `faces` (N, F, 4): (N, A)."""
    heights = faces[..., 3] - faces[..., 1]
    most = int((heights >= _LARGE_FACE).sum(dim=1).max())
    largest = _gathered(faces, heights.topk(most, dim=1).indices)  # (N, most, 4)
    inside = torch.zeros(found.shape[:2], dtype=torch.bool, device=found.device)
    centres = (found[..., :2] + found[..., 2:]) / 2
    areas = (found[..., 2:] - found[..., :2]).clamp_min(0).prod(dim=-1)
    for face in largest.unbind(dim=1):  # (N, 4)
        sides = face[:, 2:] - face[:, :2]
        middles = (face[:, :2] + face[:, 2:]) / 2
        central = ((centres - middles[:, None]).abs() < _CORE * sides[:, None] / 2).all(dim=-1)
        large = sides[:, 1:] >= _LARGE_FACE
        inside |= large & central & (areas < _PART_AREA * sides.prod(dim=1, keepdim=True))
    return inside


def _away_from(found: Tensor, boxes: Tensor) -> Tensor:
    """Return which of the boxes `found` (N, A, 4) overlap none of `boxes` (N, F, 4): (N, A) bool."""
    overlaps = [iou(mine, theirs).amax(dim=1) for mine, theirs in zip(found, boxes, strict=True)]
    return torch.stack(overlaps) < _ON_FACE
