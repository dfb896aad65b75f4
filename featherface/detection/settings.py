"""What a person can choose about a detection, checked on the way in."""

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
    """A setting is out of its range; the message is one sentence for people."""


@dataclass(frozen=True)
class DetectionSettings:
    """Settings of one detection; raises SettingsError for a value out of its range."""

    confidence: float = DEFAULT_CONFIDENCE  # faces score above it
    nms_iou: float = DEFAULT_NMS_IOU  # of two boxes that overlap more, the better one stays
    top_k: int | None = None  # at most so many faces, the best ones; None for all
    resize: Resize = Resize.FIT
    side: int = DEFAULT_SIDE  # pixels, for Resize.FIT and Resize.STUDY

    def __post_init__(self) -> None:
        if not isinstance(self.resize, Resize):
            choices = ", ".join(Resize)
            raise SettingsError(f"The resize mode must be one of {choices}, not {self.resize!r}.")
        _check_range("confidence", self.confidence, CONFIDENCE_RANGE)
        _check_range("NMS IoU", self.nms_iou, NMS_IOU_RANGE)
        _check_range("size", self.side, SIDE_RANGE)
        if self.top_k is not None and self.top_k < 1:
            raise SettingsError(f"The number of faces to keep must be at least 1, not {self.top_k}.")


def _check_range(name: str, value: float, allowed: tuple[float, float]) -> None:
    low, high = allowed
    if not low <= value <= high:  # NaN fails too
        raise SettingsError(f"The {name} must lie between {low} and {high}, not at {value}.")
