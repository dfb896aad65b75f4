"""What a detector that is not FeatherFace offers: an image in, candidates out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from featherface.config import MAX_CANDIDATES
from featherface.detection.detections import Detections
from featherface.engines.protocol import EngineInfo, memory_errors
from featherface.errors import FeatherFaceError, sentence

__all__ = ["FaceFinder", "FinderError", "finder_errors", "sorted_candidates"]


class FinderError(FeatherFaceError):
    """A model file cannot be run as the detector that it claims to be; the message is one sentence."""


class FaceFinder(Protocol):
    """A face detector loaded from a model file; threads may share it."""

    @property
    def info(self) -> EngineInfo:
        """Return what runs the detector."""

    def find(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Return the candidates in an RGB image (H, W, 3), uint8, H and W at least 32, before NMS.

        They score above CANDIDATE_FLOOR and are in pixels of the image. Raises FinderError and MemoryError.
        """


@contextmanager
def finder_errors() -> Iterator[None]:
    """Turn whatever a library raises over a model file into FinderError or MemoryError."""
    try:
        with memory_errors():
            yield
    except (FeatherFaceError, MemoryError):
        raise
    except Exception as error:  # ONNX Runtime has a class for each kind of failure, OpenCV one for all
        if isinstance(error, cv2.error) and error.code == cv2.Error.STS_NO_MEM:
            raise MemoryError("OpenCV has no memory for a pass of this size.") from error
        raise FinderError(sentence(f"The model file cannot be run: {error}")) from error


def sorted_candidates(
    boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32]
) -> Detections:
    """Return the finite candidates, best first, at most MAX_CANDIDATES, with scores of at most 1."""
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(landmarks).all(axis=(1, 2)) & np.isfinite(scores)
    order = np.argsort(-scores[finite], kind="stable")[:MAX_CANDIDATES]
    return Detections(boxes[finite][order], np.minimum(scores[finite][order], 1), landmarks[finite][order])
