"""The faces of one photo as a person marks them, and what a model found of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from featherface.config import MATCH_IOU
from featherface.detection.agreement import match_by_iou
from featherface.detection.boxes import iou_matrix
from featherface.errors import FeatherFaceError

__all__ = [
    "MAX_FACES",
    "Box",
    "FaceCounts",
    "MarkedPhoto",
    "MarkingError",
    "as_array",
    "as_boxes",
    "count_faces",
]

MAX_FACES = 2_000  # marked per photo; the most in a photo of WIDER FACE is 1,968

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the upright photo


class MarkingError(FeatherFaceError):
    """A face cannot be marked; the message is one sentence for people."""


@dataclass(frozen=True)
class MarkedPhoto:
    """What a person says about a photo.

    faces: boxes of faces. rejected: boxes that a model reports and that show no face. complete: `faces` are
    all faces of the photo, so that every other detection is a false positive.
    """

    faces: tuple[Box, ...] = ()
    rejected: tuple[Box, ...] = ()
    complete: bool = False

    def with_face(self, box: Box) -> MarkedPhoto:
        """Add a face; it replaces what was marked or rejected there: at an IoU of at least MATCH_IOU.

        Raises MarkingError when there are too many.
        """
        faces = (*_apart(self.faces, [box]), box)
        if len(faces) > MAX_FACES:
            raise MarkingError(f"You can mark up to {MAX_FACES:,} faces per photo.")
        return replace(self, faces=faces, rejected=_apart(self.rejected, [box]))

    def with_faces(self, boxes: Iterable[Box]) -> MarkedPhoto:
        """Add each box where nothing is marked or rejected yet.

        Raises MarkingError when there are too many.
        """
        marked = self
        for box in boxes:
            if len(_apart((*marked.faces, *marked.rejected), [box])) == len(marked.faces) + len(
                marked.rejected
            ):
                marked = marked.with_face(box)
        return marked

    def without(self, boxes: Sequence[Box]) -> MarkedPhoto:
        """Remove the faces at `boxes` and remember that these show no face."""
        rejected = (*_apart(self.rejected, boxes), *boxes)[-MAX_FACES:]
        return replace(self, faces=_apart(self.faces, boxes), rejected=rejected)


@dataclass(frozen=True)
class FaceCounts:
    """Detections and faces of one photo or of several, at an IoU of MATCH_IOU.

    true: detections that match a face, one per face. false: detections that a person rejected, that report a
    face a second time, or, in a photo whose faces are all marked, that match none. missed: faces without a
    detection. unjudged: other detections, which count neither as true nor as false.
    """

    true: int = 0
    false: int = 0
    missed: int = 0
    unjudged: int = 0

    def __add__(self, other: FaceCounts) -> FaceCounts:
        return FaceCounts(
            self.true + other.true,
            self.false + other.false,
            self.missed + other.missed,
            self.unjudged + other.unjudged,
        )

    @property
    def precision(self) -> float | None:
        """Return the share of judged detections that are true, 0..1; None without one."""
        return self.true / (self.true + self.false) if self.true + self.false else None

    @property
    def recall(self) -> float | None:
        """Return the share of faces that were found, 0..1; None without a face."""
        return self.true / (self.true + self.missed) if self.true + self.missed else None


def count_faces(boxes: np.ndarray, marked: MarkedPhoto) -> FaceCounts:
    """Compare detected `boxes` (N, 4) with what a person marked, one to one by IoU."""
    overlaps = iou_matrix(boxes.astype(np.float64), as_array(marked.faces))
    matched = match_by_iou(overlaps, MATCH_IOU)
    others = np.setdiff1d(np.arange(len(boxes)), matched[:, 0])
    if marked.complete:
        false = len(others)
    else:
        rejected = iou_matrix(boxes[others].astype(np.float64), as_array(marked.rejected)) >= MATCH_IOU
        repeated = overlaps[others] >= MATCH_IOU
        false = int((rejected.any(axis=1) | repeated.any(axis=1)).sum())
    missed = len(marked.faces) - len(matched)
    return FaceCounts(len(matched), false, missed, len(others) - false)


def as_array(boxes: Sequence[Box]) -> np.ndarray:
    """Return boxes as an (N, 4) float64 array."""
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def as_boxes(array: np.ndarray) -> tuple[Box, ...]:
    """Return the rows of an (N, 4) array as boxes."""
    return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in array.tolist())


def _apart(boxes: Sequence[Box], others: Sequence[Box]) -> tuple[Box, ...]:
    """Return those of `boxes` that lie at none of `others`."""
    overlaps = iou_matrix(as_array(boxes), as_array(others))
    return tuple(box for box, row in zip(boxes, overlaps, strict=True) if not (row >= MATCH_IOU).any())
