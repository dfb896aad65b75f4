"""JPEG files whose end is missing, as broken transfers leave them: what is there, and how much that is."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

__all__ = ["missing_share", "open_incomplete"]

_END = b"\xff\xd9"
_BAND = 256  # rows looked at together
# A block without data decodes to middle grey in every channel; CMYK is stored inverted, hence 127 too.
_GREY_LOW, _GREY_HIGH = 126, 129


def open_incomplete(data: bytes) -> Image.Image | None:
    """Return the loaded image of a JPEG file without its end; None if nothing of it can be decoded.

    Rows without data are grey.
    """
    for end in _possible_ends(data):
        try:
            image = Image.open(io.BytesIO(data[:end] + _END), formats=["JPEG"])
            image.load()
        except (OSError, SyntaxError, ValueError):  # what Pillow's reader raises on damaged files
            continue
        return image
    return None


def missing_share(image: Image.Image) -> float:
    """Return the share of rows, 0..1, that have no data in an image from `open_incomplete`."""
    for bottom in range(image.height, 0, -_BAND):
        top = max(0, bottom - _BAND)
        rows = np.asarray(image.crop((0, top, image.width, bottom))).reshape(bottom - top, -1)
        filled = np.flatnonzero((rows.min(axis=1) < _GREY_LOW) | (rows.max(axis=1) > _GREY_HIGH))
        if len(filled):
            return 1 - (top + int(filled[-1]) + 1) / image.height
    return 1.0


def _possible_ends(data: bytes) -> Iterator[int]:
    """Yield where to end the file: as it is, or before a marker whose segment is incomplete."""
    yield len(data)
    position = data.rfind(b"\xff")
    while position > 0:
        following = data[position + 1 : position + 2]
        if following not in (b"", b"\0", b"\xff") and not b"\xd0" <= following <= b"\xd7":
            yield position
            return
        position = data.rfind(b"\xff", 0, position)
