"""Settings of a detection, validated when made."""

from __future__ import annotations

from dataclasses import dataclass

from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_NMS_IOU,
    DEFAULT_SIDE,
    NMS_IOU_RANGE,
    SIDE_RANGE,
)
from featherface.detection.preprocess import Resize
from featherface.errors import FeatherFaceError

__all__ = ["DetectionSettings", "SettingsError"]


class SettingsError(FeatherFaceError):
    """A detection setting is out of its range; the message is one sentence for people."""


@dataclass(frozen=True)
class DetectionSettings:
    """Settings of one detection. Raises SettingsError for a value out of its range."""

    confidence: float = DEFAULT_CONFIDENCE  # faces score above it
    nms_iou: float = DEFAULT_NMS_IOU  # of two boxes that overlap more, the one with the higher score stays
    top_k: int | None = None  # keep at most this many faces, highest scores first; None keeps all
    resize: Resize = Resize.FIT
    side: int = DEFAULT_SIDE  # input size in pixels, for Resize.FIT and Resize.STUDY

    def __post_init__(self) -> None:
        resize: object = self.resize  # callers read it from a command line or a link
        if not isinstance(resize, Resize):
            raise SettingsError(f"The resize mode must be one of {', '.join(Resize)}, not {resize!r}.")
        _check_range("confidence", self.confidence, CONFIDENCE_RANGE)
        _check_range("NMS IoU", self.nms_iou, NMS_IOU_RANGE)
        _check_range("input size", self.side, SIDE_RANGE)
        if self.top_k is not None and self.top_k < 1:
            raise SettingsError(f"The number of faces to keep must be at least 1, not {self.top_k}.")


def _check_range(name: str, value: float, allowed: tuple[float, float]) -> None:
    low, high = allowed
    if not low <= value <= high:  # NaN fails too
        raise SettingsError(f"The {name} must be between {low:,} and {high:,}, not {value}.")
