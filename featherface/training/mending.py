"""Mending: correct a teacher's outputs with labels that are better than the teacher at this scale.

Labels made once from enlarged images, or by people, contain small and unusual faces that the teacher misses
at the student's own scale. They enter through the teacher's outputs, so a single soft loss teaches both.
MultiBox on the same labels at full weight cost two points of average precision on WIDER FACE easy and gained
none on hard.
"""

from __future__ import annotations

import torch
from torch import Tensor

from featherface.models.face_network import HeadOutputs
from featherface.training.batches import Batch
from featherface.training.samples import CERTAIN
from featherface.training.targets import best_overlaps, decode_boxes, encode_boxes, encode_landmarks, iou

__all__ = ["mended"]

_TRUSTED = 0.5  # from this score the teacher's own box and landmarks are kept
_SUSPECT = 0.05  # from this score a teacher's detection away from the labels is corrected
_BACKGROUND = 0.01  # score that replaces a false positive's
_ON_FACE = 0.3  # least IoU of a teacher's box with a label for a true positive
_VISIBLE_FACE = 24  # pixels of the longer side from which a labelled face is recognisable
_LARGE_FACE = 64  # pixels of height from which eyes and mouths are detected as faces of their own
_CORE = 0.8  # middle of a face as a share of its sides; another face can be visible in its corners
_PART_AREA = 0.2  # most area of such a part as a share of the face's


def mended(
    outputs: HeadOutputs, batch: Batch, anchors: Tensor, *, match_iou: float, face_score: float
) -> HeadOutputs:
    """Return the teacher's outputs corrected by the labels.

    `outputs` are loc (N, A, 4), class probabilities (N, A, 2) and landm (N, A, 10); anchors (A, 4) cx cy w h
    in pixels.

    - An anchor whose IoU with a certain face reaches `match_iou` scores at least `face_score`. If the teacher
      scored it below 0.5, it also gets the label's box and landmarks (NaN where unknown). For a face under 24
      pixels, which may not be recognisable at this scale, the score is the mean, in log-odds, of the
      teacher's and the label's (at most `face_score`). Taught with 0.9, such faces made V2 report faces in
      textures: 7.5 false positives per image without faces, against 1.5 before.
    - A small detection inside a large labelled face becomes background; in complete images, so does every
      detection away from all labels.
    - An anchor on an uncertain box keeps the teacher's output.
    """
    loc, probabilities, landm = (output.clone() for output in outputs)
    face = probabilities[..., 1].clone()
    size = batch.pixels.shape[-1]
    for index, (boxes, points, scores) in enumerate(
        zip(batch.boxes, batch.landmarks, batch.scores, strict=True)
    ):
        certain = scores >= CERTAIN
        overlap, label = best_overlaps(boxes[certain], anchors)
        on_face = overlap >= match_iou
        replaced = on_face & (face[index] < _TRUSTED)
        chosen = label[replaced]
        loc[index, replaced] = encode_boxes(boxes[certain][chosen], anchors[replaced])
        landm[index, replaced] = encode_landmarks(points[certain][chosen], anchors[replaced])
        suspect = torch.nonzero((face[index] > _SUSPECT) & ~on_face).squeeze(1)
        found = decode_boxes(outputs[0][index, suspect], anchors[suspect]).clamp(0, size)
        false = _inside_a_large_face(found, boxes[certain])
        if batch.complete[index]:
            false |= _away_from(found, boxes)
        face[index, suspect[false]] = _BACKGROUND
        if certain.any():
            wanted = _face_scores(face[index], boxes[certain][label], scores[certain][label], face_score)
            face[index] = torch.where(on_face, torch.maximum(face[index], wanted), face[index])
    changed = face != probabilities[..., 1]
    probabilities = torch.where(changed[..., None], torch.stack((1 - face, face), dim=-1), probabilities)
    return loc, probabilities, landm


def _face_scores(taught: Tensor, boxes: Tensor, scores: Tensor, face_score: float) -> Tensor:
    """Return the least score (A,) for anchors, by the label each lies on: boxes (A, 4) and scores (A,).

    `taught` (A,) are the teacher's scores.
    """
    certain = scores.clamp(max=face_score)
    between = ((torch.logit(taught, 1e-6) + torch.logit(certain, 1e-6)) / 2).sigmoid()
    visible = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1) >= _VISIBLE_FACE
    return torch.where(visible, face_score, between)


def _inside_a_large_face(found: Tensor, faces: Tensor) -> Tensor:
    """Return which of `found` (N, 4) are small and in the middle of one of `faces` (F, 4), (N,) bool."""
    inside = torch.zeros(len(found), dtype=torch.bool, device=found.device)
    centres = (found[:, :2] + found[:, 2:]) / 2
    areas = (found[:, 2:] - found[:, :2]).clamp_min(0).prod(dim=1)
    for face in faces[(faces[:, 3] - faces[:, 1]) >= _LARGE_FACE]:
        size = face[2:] - face[:2]
        central = ((centres - (face[:2] + face[2:]) / 2).abs() < _CORE * size / 2).all(dim=1)
        inside |= central & (areas < _PART_AREA * size.prod())
    return inside


def _away_from(found: Tensor, boxes: Tensor) -> Tensor:
    """Return which of the boxes `found` (N, 4) overlap none of `boxes` (F, 4), (N,) bool."""
    if not len(boxes):
        return torch.ones(len(found), dtype=torch.bool, device=found.device)
    return iou(found, boxes).amax(dim=1) < _ON_FACE
