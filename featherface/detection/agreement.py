"""Where two results for one photo agree: faces that both found, and faces that only one did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from featherface.config import MATCH_IOU
from featherface.detection.boxes import iou_matrix
from featherface.detection.detections import Detections

__all__ = ["Agreement", "AgreementCurve", "agreement", "agreement_curve"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Matches between a first and a second result; rows of the arrays of length M belong together.

    pairs: (M, 2) int64, index of the face in the first and in the second result, best first score first.
    iou: (M,) float32, of the two boxes.
    score_difference: (M,) float32, first less second.
    landmark_distance: (M,) float32, pixels, mean over the five points.
    relative_landmark_distance: (M,) float32, that distance over the mean side of the two boxes, the square
        root of their mean area.
    only_first, only_second: (K,) and (L,) int64, indices of the faces without a partner, ascending.
    """

    pairs: np.ndarray
    iou: np.ndarray
    score_difference: np.ndarray
    landmark_distance: np.ndarray
    relative_landmark_distance: np.ndarray
    only_first: np.ndarray
    only_second: np.ndarray

    @property
    def both(self) -> int:
        """Number of faces found by both."""
        return len(self.pairs)

    @property
    def share(self) -> float:
        """Faces found by both over all faces found, 0..1; 1 where neither found any."""
        found = self.both + len(self.only_first) + len(self.only_second)
        return self.both / found if found else 1.0


@dataclass(frozen=True, eq=False)
class AgreementCurve:
    """Counts of faces against the confidence threshold; every array is (K,), in the order of `confidences`.

    first, second: int64, faces of each result. both: int64, faces found by both. share: float64, as
    `Agreement.share`.
    """

    confidences: np.ndarray
    first: np.ndarray
    second: np.ndarray
    both: np.ndarray
    share: np.ndarray


def agreement(first: Detections, second: Detections, iou: float = MATCH_IOU) -> Agreement:
    """Match the faces of two results one to one, for the largest sum of IoU over pairs of at least `iou`."""
    overlaps = iou_matrix(first.boxes, second.boxes)
    pairs = _matched(overlaps, iou)
    rows, columns = pairs.T
    distances = np.linalg.norm(first.landmarks[rows] - second.landmarks[columns], axis=2).mean(axis=1)
    sides = np.sqrt((_areas(first)[rows] + _areas(second)[columns]) / 2)
    return Agreement(
        pairs=pairs,
        iou=overlaps[rows, columns],
        score_difference=first.scores[rows] - second.scores[columns],
        landmark_distance=distances,
        relative_landmark_distance=distances / sides,
        only_first=np.setdiff1d(np.arange(len(first)), rows),
        only_second=np.setdiff1d(np.arange(len(second)), columns),
    )


def agreement_curve(
    first: Detections, second: Detections, confidences: Sequence[float], iou: float = MATCH_IOU
) -> AgreementCurve:
    """Return face counts and agreement at each of `confidences`.

    `first` and `second` are what `postprocess.select` gives at the lowest of them: at a higher confidence NMS
    keeps a prefix of the same faces, so that neither it nor the overlaps have to be computed again.
    """
    overlaps = iou_matrix(first.boxes, second.boxes)
    thresholds = -np.asarray(confidences, np.float32)
    firsts = np.searchsorted(-first.scores, thresholds, side="left")  # how many score above
    seconds = np.searchsorted(-second.scores, thresholds, side="left")
    both = np.array(
        [
            len(_matched(overlaps[:rows, :columns], iou))
            for rows, columns in zip(firsts, seconds, strict=True)
        ],
        np.int64,
    )
    found = firsts + seconds - both
    share = np.divide(both, found, out=np.ones(len(found)), where=found > 0)
    return AgreementCurve(np.asarray(confidences, np.float64), firsts, seconds, both, share)


def _matched(overlaps: np.ndarray, iou: float) -> np.ndarray:
    """Return the matched (row, column) pairs (M, 2) of an IoU matrix, in the order of the rows."""
    eligible = overlaps >= iou
    rows, columns = np.flatnonzero(eligible.any(axis=1)), np.flatnonzero(eligible.any(axis=0))
    grid = np.ix_(rows, columns)  # most faces of a crowd have one partner or none: keep the problem small
    row, column = linear_sum_assignment(np.where(eligible[grid], overlaps[grid], 0), maximize=True)
    pairs = np.stack((rows[row], columns[column]), axis=1)
    return pairs[eligible[pairs[:, 0], pairs[:, 1]]]


def _areas(detections: Detections) -> np.ndarray:
    return (detections.boxes[:, 2:] - detections.boxes[:, :2]).prod(axis=1)
