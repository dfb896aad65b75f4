"""How far the faces that an exported file finds are from those of the network that it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from featherface.config import DEFAULT_CONFIDENCE, DEFAULT_NMS_IOU, MATCH_IOU
from featherface.detection.agreement import match_by_iou
from featherface.detection.boxes import iou_matrix
from featherface.detection.detections import Detections
from featherface.detection.postprocess import decode_candidates, select
from featherface.engines.protocol import Engine

__all__ = ["Parity", "compare_faces", "found_faces", "parity"]


@dataclass(frozen=True)
class Parity:
    """Differences between the faces of two engines on the same images, at the default confidence and NMS."""

    images: int
    faces: int  # that the reference finds
    gained: int  # found by the candidate only
    lost: int  # found by the reference only
    box_drift: float  # largest shift of a box coordinate, input pixels
    score_drift: float  # largest difference of the scores of a face that both find

    def __str__(self) -> str:
        return (
            f"{self.faces} faces in {self.images} images: {self.gained} gained, {self.lost} lost, "
            f"boxes within {self.box_drift:.2f} px, scores within {self.score_drift:.4f}"
        )


def parity(reference: Engine, candidate: Engine, images: Sequence[npt.NDArray[np.uint8]]) -> Parity:
    """Run both engines on `images`, each (1, H, W, 3) uint8 RGB, and compare the faces."""
    expected, actual = (found_faces(engine, images) for engine in (reference, candidate))
    return compare_faces(expected, actual)


def found_faces(engine: Engine, images: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
    """Return the faces of each image, (1, H, W, 3) uint8 RGB, at the default confidence and NMS."""
    return [_faces(engine, image) for image in images]


def compare_faces(reference: Sequence[Detections], candidate: Sequence[Detections]) -> Parity:
    """Compare the faces of the same images, boxes in pixels of the network's input."""
    faces = gained = lost = 0
    box_drift = score_drift = 0.0
    for expected, actual in zip(reference, candidate, strict=True):
        pairs = match_by_iou(iou_matrix(expected.boxes, actual.boxes), MATCH_IOU)
        faces += len(expected)
        lost += len(expected) - len(pairs)
        gained += len(actual) - len(pairs)
        if len(pairs):
            theirs, ours = expected[pairs[:, 0]], actual[pairs[:, 1]]
            box_drift = max(box_drift, float(np.abs(theirs.boxes - ours.boxes).max()))
            score_drift = max(score_drift, float(np.abs(theirs.scores - ours.scores).max()))
    return Parity(len(reference), faces, gained, lost, box_drift, score_drift)


def _faces(engine: Engine, image: npt.NDArray[np.uint8]) -> Detections:
    height, width = image.shape[1:3]
    loc, conf, landm = (output[0] for output in engine.run(image))
    candidates = decode_candidates(loc, conf, landm, (height, width), (width, height))
    return select(candidates, DEFAULT_CONFIDENCE, DEFAULT_NMS_IOU)
