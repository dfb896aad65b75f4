"""Photos from files as network inputs, for calibration and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from featherface.config import DEFAULT_SIDE, WEIGHTS_DIR
from featherface.detection.images import decode_photo
from featherface.detection.preprocess import Resize, prepare

__all__ = ["SAMPLE_PHOTOS", "input_images"]

SAMPLE_PHOTOS = tuple(sorted((WEIGHTS_DIR.parent / "assets" / "samples").glob("*.jpg")))  # bundled


def input_images(paths: Sequence[Path], side: int = DEFAULT_SIDE) -> list[npt.NDArray[np.uint8]]:
    """Return photo files as (1, H, W, 3) uint8 RGB with the longer side at `side` pixels, in order.

    Raises ImageError for a file that is not a photo.
    """
    return [np.ascontiguousarray(prepare(decode_photo(path), Resize.FIT, side).image[None]) for path in paths]
