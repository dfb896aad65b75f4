"""Average precision by the official WIDER FACE protocol.

The arithmetic is that of the official evaluation (Yang et al., WIDER FACE, CVPR 2016, `eval_tools`) in its
widely used Python form: overlaps that count pixels inclusively, IoU 0.5, scores normalised over the whole
set, 1000 thresholds. Here all pictures are scored at once, on arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featherface.config import MATCH_IOU
from featherface.detection.boxes import iou_matrix
from featherface.evaluation.ground_truth import GroundTruth, Subset
from featherface.evaluation.predictions import Prediction

__all__ = ["Curve", "Evaluation", "average_precision", "evaluate"]

THRESHOLDS = 1000  # of the official protocol
_LAST_PIXEL = np.array([0.0, 0.0, 1.0, 1.0])  # x2 and y2 name the last pixel: a box is x2 - x1 + 1 wide


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall (T,) float64 in 0..1 at T falling thresholds, for one subset of `faces` faces.

    `thresholds` (T,) are scores as the detector gives them. `average_precision` is NaN where no face counts.
    """

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    faces: int
    average_precision: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The curves of every subset over `pictures` pictures."""

    protocol: str
    pictures: int
    curves: Mapping[str, Curve]

    def scores(self) -> dict[str, float]:
        """Return the average precision, 0..1, by subset."""
        return {name: curve.average_precision for name, curve in self.curves.items()}


@dataclass(frozen=True, eq=False)
class Matches:
    """Every prediction (P,), highest score first, beside all faces of all pictures.

    `scores`, `heights` in pixels, `face`: the index of the face it lies on, -1 for none, and `first`: no
    prediction with a higher score lies on that face.
    """

    scores: np.ndarray
    heights: np.ndarray
    face: np.ndarray
    first: np.ndarray


def evaluate(predictions: Sequence[Prediction], ground_truth: GroundTruth) -> Evaluation:
    """Score `predictions` on exactly the pictures they name.

    Raises `GroundTruthError` for a picture that the ground truth lacks.
    """
    ground_truth = ground_truth.only(prediction.image for prediction in predictions)
    matches = _match(predictions, ground_truth)
    faces = ground_truth.pictures.values()
    curves = {}
    for subset in ground_truth.subsets:
        counted = np.concatenate([np.zeros(0, bool), *(picture.counted[subset.name] for picture in faces)])
        curves[subset.name] = _curve(matches, counted, subset)
    return Evaluation(ground_truth.protocol, len(predictions), curves)


def average_precision(precision: np.ndarray, recall: np.ndarray) -> float:
    """Return the area under the envelope of `precision` (T,) over rising `recall` (T,), as in VOC 2010."""
    recall = np.concatenate(([0.0], recall, [1.0]))
    precision = np.concatenate(([0.0], precision, [0.0]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))


def _match(predictions: Sequence[Prediction], ground_truth: GroundTruth) -> Matches:
    faces = []
    offset = 0
    for prediction in predictions:
        boxes = ground_truth.pictures[prediction.image].boxes
        local = _best_faces(prediction.boxes, boxes)
        faces.append(np.where(local >= 0, local + offset, -1))
        offset += len(boxes)
    face = np.concatenate([np.zeros(0, np.int64), *faces])
    scores = np.concatenate([np.zeros(0), *(prediction.scores for prediction in predictions)])
    heights = [prediction.boxes[:, 3] - prediction.boxes[:, 1] for prediction in predictions]
    order = np.argsort(-scores, kind="stable")
    face = face[order]
    first = np.zeros(len(face), bool)
    first[np.unique(face, return_index=True)[1]] = True
    first &= face >= 0
    return Matches(scores[order], np.concatenate([np.zeros(0), *heights])[order], face, first)


def _best_faces(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return for each of `boxes` (N, 4) which of `faces` (F, 4) it overlaps most: (N,) int, -1 for none."""
    if len(boxes) == 0 or len(faces) == 0:
        return np.full(len(boxes), -1)
    iou = iou_matrix(boxes + _LAST_PIXEL, faces + _LAST_PIXEL)
    return np.where(iou.max(axis=1) >= MATCH_IOU, iou.argmax(axis=1), -1)


def _curve(matches: Matches, counted: np.ndarray, subset: Subset) -> Curve:
    on_face = matches.face >= 0
    on_counted = on_face & np.append(counted, False)[matches.face]
    in_band = (matches.heights >= subset.min_height) & (matches.heights < subset.max_height)
    proposed = _running_count(on_counted | (~on_face & in_band))  # a second box on a face is a false alarm
    found = _running_count(on_counted & matches.first)
    steps = 1 - np.arange(1, THRESHOLDS + 1) / THRESHOLDS  # (T,)
    lowest, highest = matches.scores[[-1, 0]] if len(matches.scores) else (0.0, 1.0)
    span = (highest - lowest) or 1.0
    normalised = (matches.scores - lowest) / span
    taken = np.searchsorted(-normalised, -steps, side="right")  # (T,) predictions at or above each step
    faces = int(counted.sum())
    precision = found[taken] / np.maximum(proposed[taken], 1)
    recall = found[taken] / max(faces, 1)
    area = average_precision(precision, recall) if faces else float("nan")
    return Curve(precision, recall, lowest + steps * span, faces, area)


def _running_count(flags: np.ndarray) -> np.ndarray:
    """Return how many of the first n `flags` (P,) are set, for n of 0..P."""
    return np.concatenate(([0], np.cumsum(flags)))
