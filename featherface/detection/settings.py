"""Settings of a detection, validated when made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_INPUT_SIZE,
    DEFAULT_NMS_IOU,
    INPUT_SIZE_RANGE,
    NMS_IOU_RANGE,
)
from featherface.detection.preprocess import Resize
from featherface.errors import FeatherFaceError

__all__ = ["DetectionSettings", "Scales", "SettingsError"]


class SettingsError(FeatherFaceError):
    """A detection setting is out of its range; the message is one sentence for people."""


class Scales(StrEnum):
    """At how many sizes a photo goes through the network."""

    ONE = "1"  # at the input size alone, as in the study
    AUTO = "auto"  # also at half the size for close-ups, and at the original size for small faces


@dataclass(frozen=True)
class DetectionSettings:
    """Settings of one detection. Raises SettingsError for a value out of its range."""

    confidence: float = DEFAULT_CONFIDENCE  # faces score above it
    nms_iou: float = DEFAULT_NMS_IOU  # of two boxes that overlap more, the one with the higher score stays
    top_k: int | None = None  # keep at most this many faces, highest scores first; None keeps all
    resize: Resize = Resize.FIT
    input_size: int = DEFAULT_INPUT_SIZE  # input size in pixels, for Resize.FIT and Resize.STUDY
    scales: Scales = Scales.ONE
    rotated: bool = False  # also search the photo turned by 90, 180 and 270 degrees

    def __post_init__(self) -> None:
        resize: object = self.resize  # callers read it from a command line or a link
        if not isinstance(resize, Resize):
            raise SettingsError(f"The resize mode must be one of {', '.join(Resize)}, not {resize!r}.")
        scales: object = self.scales
        if not isinstance(scales, Scales):
            raise SettingsError(f"The scales must be one of {', '.join(Scales)}, not {scales!r}.")
        _check_range("confidence", self.confidence, CONFIDENCE_RANGE)
        _check_range("NMS IoU", self.nms_iou, NMS_IOU_RANGE)
        _check_range("input size", self.input_size, INPUT_SIZE_RANGE)
        if self.top_k is not None and self.top_k < 1:
            raise SettingsError(f"The number of faces to keep must be at least 1, not {self.top_k}.")


def _check_range(name: str, value: float, allowed: tuple[float, float]) -> None:
    low, high = allowed
    if not low <= value <= high:  # NaN fails too
        raise SettingsError(f"The {name} must be between {low:,} and {high:,}, not {value}.")
