"""Why a model missed a face: its best candidate at the spot, and which single change brings the face back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from featherface.config import (
    ANCHOR_SIZES,
    CANDIDATE_FLOOR,
    INPUT_SIZE_RANGE,
    PIXEL_MEAN_BGR,
)
from featherface.detection.boxes import box_areas, iou_matrix
from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.detection.multiscale import Run, turned_back
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize, largest_scale
from featherface.detection.settings import DetectionSettings

__all__ = ["CHANGES", "Attempt", "Cause", "Change", "Explanation", "Spot", "attempts", "explain"]

_THERE_IOU = 0.3  # of a candidate with the marked box
_CENTRAL = 0.35  # a marked point belongs to a box if it is so near its centre, in widths and heights
_DISTINCT = 0.1  # score from which a candidate stands out: a plain grey image has up to 0.07
_ANCHOR_IOU = 0.35  # below this overlap with every anchor a face is not learnt, as both models were trained
_SMALLEST = min(min(sizes) for sizes in ANCHOR_SIZES) * _ANCHOR_IOU**0.5  # network pixels
_LARGEST = max(max(sizes) for sizes in ANCHOR_SIZES) / _ANCHOR_IOU**0.5
_PADDING = 0.25  # of the longer side, on every side
_STEP = 0.01  # of the confidence slider

_Pixels = npt.NDArray[np.uint8]  # (H, W, 3) RGB
_Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the photo


class Cause(StrEnum):
    """Why a face is not among the detections."""

    FOUND = "found"  # it is among them
    BELOW_THRESHOLD = "below the confidence threshold"
    SUPPRESSED = "suppressed by a better box"
    TOO_SMALL = "too small for the anchors"
    TOO_LARGE = "too large for the anchors"
    BEYOND_RECEPTIVE_FIELD = "larger than the receptive field"
    NO_CANDIDATE = "no candidate"  # that stands out from the background


@dataclass(frozen=True)
class Spot:
    """Where a face should be, in pixels of the photo: a point, or a box if `x2` and `y2` are given."""

    x1: float
    y1: float
    x2: float | None = None
    y2: float | None = None

    @property
    def box(self) -> _Box | None:
        """The marked box; None for a point."""
        if self.x2 is None or self.y2 is None:
            return None
        return self.x1, self.y1, self.x2, self.y2

    def there(self, faces: Detections) -> npt.NDArray[np.bool_]:
        """Return which (N,) faces lie at this spot."""
        if self.box is not None:
            marked = np.asarray([self.box], np.float32)
            return np.asarray(iou_matrix(faces.boxes, marked)[:, 0] >= _THERE_IOU)
        centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
        sizes = faces.boxes[:, 2:] - faces.boxes[:, :2]
        distances = np.abs(np.asarray((self.x1, self.y1), np.float32) - centres)
        return np.asarray((distances <= _CENTRAL * sizes).all(axis=1))


@dataclass(frozen=True)
class Change:
    """A single change of the network's input.

    of_pixels: the change of the photo. back: maps faces to the photo of the given width and height before it.
    size: factor on the input size.
    """

    name: str  # as in "Found when <name>"
    of_pixels: Callable[[_Pixels], _Pixels] = lambda pixels: pixels
    back: Callable[[Detections, int, int], Detections] = lambda faces, width, height: faces
    size: float = 1.0


@dataclass(frozen=True)
class Attempt:
    """What a model sees at the spot after one change; the box is in pixels of the photo before the change."""

    change: Change
    score: float  # of the best candidate; 0 if there is none
    box: _Box | None
    found: bool  # above the confidence threshold, and not suppressed


@dataclass(frozen=True)
class Explanation:
    """Why one model missed a face, with the evidence.

    score, box: the best candidate at the spot; 0 and None if there is none. threshold: the highest confidence
    threshold that shows it, None if lowering the threshold does not. rival, rival_iou: the better box that
    suppresses it, and their overlap. network_size: the size of the face in pixels of the network input, None
    where neither the spot nor an attempt tells it.
    """

    cause: Cause
    score: float
    box: _Box | None
    threshold: float | None
    rival: _Box | None
    rival_iou: float | None
    network_size: float | None
    attempts: tuple[Attempt, ...]


def explain(
    candidates: Detections,
    spot: Spot,
    settings: DetectionSettings,
    scale: float,
    tried: tuple[Attempt, ...] = (),
    receptive_field: int | None = None,
) -> Explanation:
    """Return why the face at `spot` is not among the detections.

    candidates: of the photo, before confidence threshold and NMS. scale: network pixels per photo pixel.
    tried: the results of `attempts`. receptive_field: the widest of the network, in its pixels.
    """
    here = candidates[spot.there(candidates)]
    faces = select(candidates, settings.confidence, settings.nms_iou)
    found = faces[spot.there(faces)]
    best = found if len(found) else here
    score = float(best.scores[0]) if len(best) else 0.0
    rival, overlap = _rival(candidates, best, settings) if not len(found) else (None, None)
    size = _network_size(spot, best, tried, scale)
    if len(found):
        cause = Cause.FOUND
    elif rival is not None and score > settings.confidence:
        cause = Cause.SUPPRESSED
    else:
        cause = _cause_by_score_and_size(score, size, receptive_field)
    lowered = np.floor(score / _STEP) * _STEP
    shows = cause is Cause.BELOW_THRESHOLD and rival is None
    return Explanation(
        cause,
        score,
        _box_of(best),
        max(CANDIDATE_FLOOR, round(float(lowered), 2)) if shows else None,
        rival,
        overlap,
        size,
        tried,
    )


def attempts(
    photo: Photo,
    spot: Spot,
    settings: DetectionSettings,
    run: Run,
    changes: Sequence[Change] | None = None,
) -> tuple[Attempt, ...]:
    """Make each of `changes` alone, run the network, and return what it then sees at the spot.

    changes: by default all of CHANGES. Raises the errors of `run`.
    """
    chosen = CHANGES if changes is None else changes
    return tuple(_attempt(photo, spot, settings, run, change) for change in chosen)


def _attempt(photo: Photo, spot: Spot, settings: DetectionSettings, run: Run, change: Change) -> Attempt:
    pixels = np.ascontiguousarray(change.of_pixels(photo.pixels))
    pixels.setflags(write=False)
    changed = Photo(pixels)
    raw = run(changed, *_resized(changed, settings, change.size))
    candidates = change.back(raw.candidates, photo.width, photo.height)
    here = candidates[spot.there(candidates)]
    faces = select(candidates, settings.confidence, settings.nms_iou)
    score = float(here.scores[0]) if len(here) else 0.0
    return Attempt(change, score, _box_of(here), bool(spot.there(faces).any()))


def _resized(photo: Photo, settings: DetectionSettings, factor: float) -> tuple[Resize, int]:
    """Return the resize mode and input size at which a photo has `factor` times the usual network pixels."""
    if settings.resize is not Resize.ORIGINAL:
        low, high = INPUT_SIZE_RANGE
        return settings.resize, min(max(round(settings.input_size * factor), low), high)
    if factor == 1:
        return Resize.ORIGINAL, 0
    limit = largest_scale(photo)
    return Resize.FIT, round(max(photo.width, photo.height) * min(min(1.0, limit) * factor, limit))


def _rival(
    candidates: Detections, best: Detections, settings: DetectionSettings
) -> tuple[_Box | None, float | None]:
    """Return the better box that suppresses the best candidate, and their IoU; None if no box does."""
    if not len(best):
        return None, None
    better = candidates[candidates.scores > best.scores[0]]
    kept = select(better, CANDIDATE_FLOOR, settings.nms_iou)
    one_pixel = np.asarray((0, 0, 1, 1), np.float32)  # NMS counts pixels inclusively, as the study does
    overlaps = iou_matrix(best.boxes[:1] + one_pixel, kept.boxes + one_pixel)[0]
    if not len(kept) or overlaps.max() <= settings.nms_iou:
        return None, None
    return _box_of(kept[[int(overlaps.argmax())]]), float(overlaps.max())


def _network_size(spot: Spot, best: Detections, tried: tuple[Attempt, ...], scale: float) -> float | None:
    """Return the size of the face in network pixels, the square root of its area."""
    box = spot.box
    if box is None:
        clear = max(tried, key=lambda attempt: attempt.score, default=None)
        box = clear.box if clear is not None and clear.score >= _DISTINCT else _box_of(best)
    if box is None:
        return None
    return float(box_areas(np.asarray([box]))[0] ** 0.5) * scale


def _cause_by_score_and_size(score: float, size: float | None, receptive_field: int | None) -> Cause:
    if score >= _DISTINCT:
        return Cause.BELOW_THRESHOLD
    if size is not None and size < _SMALLEST:
        return Cause.TOO_SMALL
    if size is not None and receptive_field is not None and size > receptive_field:
        return Cause.BEYOND_RECEPTIVE_FIELD
    if size is not None and size > _LARGEST:
        return Cause.TOO_LARGE
    return Cause.NO_CANDIDATE


def _box_of(faces: Detections) -> _Box | None:
    """Return the box of the first face; None if there is none."""
    if not len(faces):
        return None
    x1, y1, x2, y2 = faces.boxes[0].tolist()
    return x1, y1, x2, y2


def _mirrored_back(faces: Detections, width: int, height: int) -> Detections:
    boxes = faces.boxes.copy()
    boxes[:, [0, 2]] = width - faces.boxes[:, [2, 0]]
    landmarks = faces.landmarks.copy()
    landmarks[..., 0] = width - landmarks[..., 0]
    return replace(faces, boxes=boxes, landmarks=landmarks)


def _brighter(pixels: _Pixels) -> _Pixels:
    """Apply a gamma of 0.5, which brings out what lies in the dark."""
    table = np.rint(255 * np.sqrt(np.arange(256) / 255)).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


def _sharper(pixels: _Pixels) -> _Pixels:
    """Apply an unsharp mask of 2 pixels."""
    soft = cv2.GaussianBlur(pixels, (0, 0), 2)
    return np.asarray(cv2.addWeighted(pixels, 2.0, soft, -1.0, 0), np.uint8)


def _margin(width: int, height: int) -> int:
    return round(_PADDING * max(width, height))


def _padded(pixels: _Pixels) -> _Pixels:
    margin = _margin(pixels.shape[1], pixels.shape[0])
    sides = (margin, margin, margin, margin)
    border = cv2.copyMakeBorder(pixels, *sides, cv2.BORDER_CONSTANT, value=PIXEL_MEAN_BGR[::-1])
    return np.asarray(border, np.uint8)


def _padded_back(faces: Detections, width: int, height: int) -> Detections:
    margin = np.float32(_margin(width, height))
    return replace(faces, boxes=faces.boxes - margin, landmarks=faces.landmarks - margin)


CHANGES = (
    Change("at twice the size", size=2),
    Change("at half the size", size=0.5),
    Change("mirrored", lambda pixels: pixels[:, ::-1], _mirrored_back),
    Change(
        "turned left by 90°",
        lambda pixels: np.rot90(pixels, 1),
        lambda faces, width, height: turned_back(faces, 1, width, height),
    ),
    Change(
        "turned right by 90°",
        lambda pixels: np.rot90(pixels, 3),
        lambda faces, width, height: turned_back(faces, 3, width, height),
    ),
    Change("brighter", _brighter),
    Change("sharper", _sharper),
    Change("padded", _padded, _padded_back, size=1 + 2 * _PADDING),
)
