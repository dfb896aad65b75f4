"""Draw faces onto a copy of their photo, and encode the copy as a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from featherface.config import MAX_DIMENSION
from featherface.detection.boxes import clip_boxes
from featherface.detection.detections import Detections
from featherface.detection.images import Photo, memory_errors_as_sentence

__all__ = ["Hide", "annotate", "encode_image", "hide_faces", "title_band"]

Hide = Literal["blur", "pixelate"]
_Pixels = npt.NDArray[np.uint8]  # (H, W, 3) RGB

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22  # pixels of a digit at font scale 1
_LINES_PER_SIDE = 400  # line width is this part of the photo's mean side, at least 1 pixel
_LANDMARK_OF_FACE = 0.03  # radius of a landmark in face widths, but at most two line widths
_INK = (29, 37, 40)  # of titles
_LABEL_LINES = 5  # height of a digit in line widths
_MIN_LABEL = 9  # pixels; smaller digits cannot be read
_HIDDEN_CELLS = 8  # colours kept along the longer side of a hidden face: too few to recognise anybody
_HIDDEN_MARGIN = 0.15  # of the box, on every side: the box stops at chin and hairline
_JPEG_QUALITY = 90
_PNG_COMPRESSION = 1  # of 0..9: higher levels take seconds for 12 megapixels and save a tenth


@memory_errors_as_sentence("Drawing on the photo")
def annotate(
    photo: Photo,
    detections: Detections,
    colour: str,
    *,
    landmarks: bool = True,
    scores: bool = True,
    hide: Hide | None = None,
    only: Sequence[int] | np.ndarray | None = None,
    line: int | None = None,
) -> _Pixels:
    """Return a copy of the photo, (H, W, 3) uint8 RGB, with boxes in `colour` ("#rrggbb").

    landmarks, scores: draw the five landmarks, write the score at the box. hide: make every face of
    `detections` unrecognisable. only: indices of the faces to draw; the others are still hidden. line: width
    in pixels (default: by the size of the photo).
    Raises ImageError when memory runs out.
    """
    canvas = photo.pixels.copy() if hide is None else hide_faces(photo.pixels, detections.boxes, hide)
    shown = detections if only is None else detections[only]
    rgb = _parsed(colour)
    line = line or max(1, round((photo.width * photo.height) ** 0.5 / _LINES_PER_SIDE))
    corners = clip_boxes(np.round(shown.boxes), photo.width - 1, photo.height - 1).astype(int)
    for x1, y1, x2, y2 in corners.tolist():
        cv2.rectangle(canvas, (x1, y1), (x2, y2), rgb, line)
    if landmarks:
        _draw_landmarks(canvas, shown, rgb, line)
    if scores:
        for (x1, y1, *_), score in zip(corners.tolist(), shown.scores.tolist(), strict=True):
            _draw_label(canvas, f"{score:.2f}", x1, y1, rgb, line)
    return canvas


def title_band(text: str, colour: str, width: int) -> _Pixels:
    """Return a white band, (H, width, 3) uint8 RGB, with `text` beside a strip of `colour` ("#rrggbb").

    H depends on `width` alone and is even, as video encoders drop the last of an odd number of rows.
    """
    scale = max(0.35, width / 1200)
    (_, height), _ = cv2.getTextSize(text, _FONT, scale, 1)
    band = np.full((3 * height + height % 2, width, 3), 255, np.uint8)
    band[:, : max(2, height // 2)] = _parsed(colour)
    thickness = max(1, round(1.5 * scale))
    cv2.putText(band, text, (height, 2 * height), _FONT, scale, _INK, thickness, cv2.LINE_AA)
    return band


@memory_errors_as_sentence("Hiding the faces of the photo")
def hide_faces(pixels: _Pixels, boxes: npt.NDArray[np.floating], hide: Hide) -> _Pixels:
    """Return a copy of `pixels` (H, W, 3), uint8 RGB, with the contents of `boxes` (N, 4) unrecognisable.

    A margin around each box is hidden too. Raises ImageError when memory runs out.
    """
    hidden = pixels.copy()
    height, width = hidden.shape[:2]
    margins = np.tile((boxes[:, 2:] - boxes[:, :2]) * _HIDDEN_MARGIN, 2)
    margins[:, :2] *= -1
    grown = clip_boxes(boxes + margins, width, height)
    for x1, y1, x2, y2 in np.hstack((np.floor(grown[:, :2]), np.ceil(grown[:, 2:]))).astype(int).tolist():
        face = hidden[y1:y2, x1:x2]
        if face.size == 0:
            continue
        scale = _HIDDEN_CELLS / max(face.shape[:2])
        cells = max(1, round(face.shape[1] * scale)), max(1, round(face.shape[0] * scale))
        coarse = cv2.resize(face, cells, interpolation=cv2.INTER_AREA)
        back = cv2.INTER_NEAREST if hide == "pixelate" else cv2.INTER_CUBIC
        hidden[y1:y2, x1:x2] = cv2.resize(coarse, (x2 - x1, y2 - y1), interpolation=back)
    return hidden


@memory_errors_as_sentence("The image file")
def encode_image(pixels: _Pixels, kind: Literal["png", "jpeg"]) -> bytes:
    """Return (H, W, 3) uint8 RGB pixels as a PNG or JPEG file without metadata.

    A JPEG whose longer side would exceed MAX_DIMENSION is scaled down to it. Raises ImageError when memory
    runs out.
    """
    if kind == "png":
        options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION]
    else:
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        pixels = Photo(pixels).shrunk(MAX_DIMENSION).pixels
    _, data = cv2.imencode(f".{kind}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


def _parsed(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _draw_landmarks(canvas: _Pixels, shown: Detections, rgb: tuple[int, int, int], line: int) -> None:
    height, width = canvas.shape[:2]
    inside: npt.NDArray[np.bool_] = np.all(
        (shown.landmarks >= 0) & (shown.landmarks < (width, height)), axis=2
    )
    face_widths = shown.boxes[:, 2] - shown.boxes[:, 0]
    radii = np.clip(face_widths * _LANDMARK_OF_FACE, 1, 2 * line).astype(int)
    for points, visible, radius in zip(shown.landmarks, inside, radii.tolist(), strict=True):
        for x, y in points[visible].astype(int).tolist():
            cv2.circle(canvas, (x, y), radius + 1, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(canvas, (x, y), radius, rgb, cv2.FILLED, cv2.LINE_AA)


def _draw_label(
    canvas: _Pixels, text: str, left: int, top: int, rgb: tuple[int, int, int], line: int
) -> None:
    """Write `text` on a filled background above the point (left, top), or below it at the photo's edge."""
    scale = max(_LABEL_LINES * line, _MIN_LABEL) / _FONT_HEIGHT
    thickness = max(1, round(scale * 1.5))
    (text_width, text_height), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    padding = max(2, line)
    label_width, label_height = text_width + 2 * padding, text_height + 2 * padding
    left = max(0, min(left, canvas.shape[1] - label_width))
    top = top - label_height if top >= label_height else top
    cv2.rectangle(canvas, (left, top), (left + label_width, top + label_height), rgb, cv2.FILLED)
    ink = (0, 0, 0) if _luminance(rgb) > 0.5 else (255, 255, 255)
    origin = left + padding, top + padding + text_height
    cv2.putText(canvas, text, origin, _FONT, scale, ink, thickness, cv2.LINE_AA)


def _luminance(rgb: tuple[int, int, int]) -> float:
    """Return the perceived brightness, 0..1 (ITU-R BT.601)."""
    return float(np.dot(rgb, (0.299, 0.587, 0.114))) / 255
