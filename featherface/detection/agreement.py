"""Agreement of two results for one photo: faces found by both, and faces found by only one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from featherface.config import MATCH_IOU
from featherface.detection.boxes import box_areas, iou_matrix
from featherface.detection.detections import Detections

__all__ = ["Agreement", "AgreementCurve", "agreement", "agreement_curve", "match_by_iou"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Matches between a first and a second result; the arrays of length M have one row per match.

    pairs: (M, 2) int64, index of the face in the first and in the second result, in the order of the first.
    iou: (M,) float32, of the two boxes.
    score_difference: (M,) float32, first minus second.
    landmark_distance: (M,) float32, pixels, mean over the five points.
    relative_landmark_distance: (M,) float32, that distance over the mean face size, the square root of the
        mean area of the two boxes.
    only_first, only_second: (K,) and (L,) int64, indices of the faces without a match, ascending.
    """

    pairs: npt.NDArray[np.int64]
    iou: np.ndarray
    score_difference: np.ndarray
    landmark_distance: np.ndarray
    relative_landmark_distance: np.ndarray
    only_first: npt.NDArray[np.int64]
    only_second: npt.NDArray[np.int64]

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
    """Counts of faces at each confidence threshold; every array is (K,), in the order of `confidences`.

    first, second: int64, faces of each result. both: int64, faces found by both. share: float64, as
    `Agreement.share`.
    """

    confidences: npt.NDArray[np.float64]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    both: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]


def agreement(first: Detections, second: Detections, iou: float = MATCH_IOU) -> Agreement:
    """Match the faces of two results one to one by IoU and compare them."""
    overlaps = iou_matrix(first.boxes, second.boxes)
    pairs = match_by_iou(overlaps, iou)
    rows, columns = pairs.T
    distances = np.linalg.norm(first.landmarks[rows] - second.landmarks[columns], axis=2).mean(axis=1)
    face_sizes = np.sqrt((box_areas(first.boxes)[rows] + box_areas(second.boxes)[columns]) / 2)
    return Agreement(
        pairs=pairs,
        iou=overlaps[rows, columns],
        score_difference=first.scores[rows] - second.scores[columns],
        landmark_distance=distances,
        relative_landmark_distance=distances / face_sizes,
        only_first=np.setdiff1d(np.arange(len(first)), rows),
        only_second=np.setdiff1d(np.arange(len(second)), columns),
    )


def agreement_curve(
    first: Detections, second: Detections, confidences: Sequence[float], iou: float = MATCH_IOU
) -> AgreementCurve:
    """Return face counts and agreement at each of `confidences`.

    `first` and `second` are results of `postprocess.select` at the lowest of them. At a higher confidence NMS
    keeps a prefix of the same faces, so neither NMS nor the overlaps are computed again.
    """
    overlaps = iou_matrix(first.boxes, second.boxes)
    thresholds = -np.asarray(confidences, np.float32)
    firsts = np.searchsorted(-first.scores, thresholds, side="left")  # how many faces score above
    seconds = np.searchsorted(-second.scores, thresholds, side="left")
    counts, which = np.unique(np.stack((firsts, seconds), axis=1), axis=0, return_inverse=True)
    matches = [len(match_by_iou(overlaps[:rows, :columns], iou)) for rows, columns in counts]
    both = np.array(matches, np.int64)[which.reshape(-1)]
    found = firsts + seconds - both
    share = np.divide(both, found, out=np.ones(len(found)), where=found > 0)
    return AgreementCurve(np.asarray(confidences, np.float64), firsts, seconds, both, share)


def match_by_iou(overlaps: npt.NDArray[np.floating], iou: float) -> npt.NDArray[np.int64]:
    """Match rows and columns of an (N, M) IoU matrix one to one, for the largest sum of IoU.

    Only pairs of at least `iou` count. Returns (K, 2) pairs of row and column, ascending by row.
    """
    eligible = overlaps >= iou
    if (eligible.sum(axis=0) <= 1).all() and (eligible.sum(axis=1) <= 1).all():
        return np.argwhere(eligible)  # nothing to choose from
    from scipy.optimize import linear_sum_assignment  # takes 0.3 s, and few photos need it

    rows, columns = np.flatnonzero(eligible.any(axis=1)), np.flatnonzero(eligible.any(axis=0))
    grid = np.ix_(rows, columns)  # most boxes overlap few others: keep the assignment small
    row, column = linear_sum_assignment(np.where(eligible[grid], overlaps[grid], 0), maximize=True)
    pairs: npt.NDArray[np.int64] = np.stack((rows[row], columns[column]), axis=1)
    return pairs[eligible[pairs[:, 0], pairs[:, 1]]]
