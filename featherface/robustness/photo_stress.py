"""How two models lose the faces of one photo as a corruption grows, without labels.

The faces that both models find in the clean photo stand in for labels. Recall on them says which model loses
faces first; it says nothing about faces that a model missed from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from featherface.config import MATCH_IOU
from featherface.detection.agreement import agreement, match_by_iou
from featherface.detection.boxes import iou_matrix
from featherface.detection.detections import Detections
from featherface.detection.images import Photo, memory_errors_as_sentence
from featherface.robustness.corruptions import SEVERITIES, Corruption

__all__ = [
    "ALL_SEVERITIES",
    "BREAKING_RECALL",
    "Detect",
    "PhotoStress",
    "SeverityResult",
    "agreed_faces",
    "at_input_size",
    "stress_photo",
]

ALL_SEVERITIES = (0, *SEVERITIES)  # 0 is the clean photo
BREAKING_RECALL = 0.5  # a model breaks at the first severity with a lower recall

Detect = Callable[[Photo], Detections]


@dataclass(frozen=True, eq=False)
class SeverityResult:
    """What the models found at one severity.

    truth: the agreed faces, moved by the corruption. found: by model key. matched: by model key, how many of
    the faces of `truth` it found. All boxes are in pixels of the corrupted photo.
    """

    severity: int
    truth: Detections
    found: Mapping[str, Detections]
    matched: Mapping[str, int]

    def recall(self, key: str) -> float:
        """Return the share of the agreed faces that model `key` found, 0..1; NaN without agreed faces."""
        return self.matched[key] / len(self.truth) if len(self.truth) else float("nan")

    def other_boxes(self, key: str) -> int:
        """Return how many boxes of model `key` match no agreed face."""
        return len(self.found[key]) - self.matched[key]


@dataclass(frozen=True, eq=False)
class PhotoStress:
    """The results at severities 0 to 5, or at the first of them where the run is not finished."""

    steps: tuple[SeverityResult, ...]

    @property
    def faces(self) -> int:
        """Number of faces that both models found in the clean photo."""
        return len(self.steps[0].truth)

    def breaks_at(self, key: str) -> int | None:
        """Return the first severity at which recall of model `key` is below one half, or None."""
        broken = (step.severity for step in self.steps if step.recall(key) < BREAKING_RECALL)
        return next(broken, None)


@memory_errors_as_sentence("The photo")
def at_input_size(photo: Photo, input_size: int) -> Photo:
    """Return the photo with `input_size` pixels on its longer side.

    A corruption then acts on the pixels that the networks get: noise on a larger photo would be averaged
    away by resizing. Raises ImageError when memory runs out.
    """
    scale = input_size / max(photo.width, photo.height)
    if scale < 1:
        return photo.shrunk(input_size)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    pixels = np.asarray(cv2.resize(photo.pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    pixels.setflags(write=False)
    return Photo(pixels)


def agreed_faces(first: Detections, second: Detections) -> Detections:
    """Return the faces that both results contain: boxes, landmarks and scores averaged, best first."""
    rows, columns = agreement(first, second).pairs.T
    one, other = first[rows], second[columns]
    both = Detections(
        _mean(one.boxes, other.boxes),
        _mean(one.scores, other.scores),
        _mean(one.landmarks, other.landmarks),
    )
    return both[np.argsort(-both.scores, kind="stable")]


def _mean(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return ((first + second) / 2).astype(np.float32)


def stress_photo(
    photo: Photo, corruption: Corruption, detect: Mapping[str, Detect], seed: int = 0
) -> Generator[SeverityResult]:
    """Yield the results at severities 0 to 5, in order, as each is done.

    detect: by model key, what finds the faces of one photo; exactly two models. Raises what they raise.
    """
    found = {key: find(photo) for key, find in detect.items()}
    truth = agreed_faces(*found.values())
    yield _severity_result(0, truth, found)
    for severity in SEVERITIES:
        corrupted = corruption.apply(photo, truth, severity, seed)
        found = {key: find(corrupted.photo) for key, find in detect.items()}
        yield _severity_result(severity, corrupted.faces, found)


def _severity_result(severity: int, truth: Detections, found: Mapping[str, Detections]) -> SeverityResult:
    matched = {
        key: len(match_by_iou(iou_matrix(truth.boxes, faces.boxes), MATCH_IOU))
        for key, faces in found.items()
    }
    return SeverityResult(severity, truth, found, matched)
