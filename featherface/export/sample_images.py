"""Photos from files as network inputs, for calibration and comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from featherface.config import DEFAULT_SIDE
from featherface.detection.images import decode_photo
from featherface.detection.preprocess import Resize, prepare
from featherface.export.export_error import ExportError

__all__ = ["input_images"]

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def input_images(paths: Sequence[Path], side: int = DEFAULT_SIDE) -> list[npt.NDArray[np.uint8]]:
    """Return photos as (1, H, W, 3) uint8 RGB with the longer side at `side` pixels, in order.

    `paths` are photos and folders of photos. Raises ExportError for a folder without photos and ImageError.
    """
    return [
        np.ascontiguousarray(prepare(decode_photo(path), Resize.FIT, side).image[None])
        for path in _photo_files(paths)
    ]


def _photo_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        photos = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
        if not photos:
            raise ExportError(f"{path} contains no photos (JPEG, PNG, WebP, TIFF or BMP).")
        yield from photos
