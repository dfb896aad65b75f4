"""Photos from files as network inputs, for calibration and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from featherface.config import DEFAULT_INPUT_SIZE, WEIGHTS_DIR
from featherface.detection.images import decode_photo
from featherface.detection.preprocess import Resize, prepare

__all__ = ["CALIBRATION_PHOTOS", "SAMPLE_PHOTOS", "calibration_images", "input_images"]

_FOLDER = WEIGHTS_DIR.parent / "assets" / "samples"
SAMPLE_PHOTOS = tuple(sorted(_FOLDER.glob("*.jpg")))  # bundled
# Set the value ranges of int8 unless others are named; fixed, because the average precision depends on them.
CALIBRATION_PHOTOS = tuple(
    _FOLDER / f"{name}.jpg"
    for name in (
        "aircraft_engine",
        "chelsea_the_cat",
        "close_up",
        "dark_workshop",
        "eileen_collins",
        "grace_hopper",
        "mill_workers",
        "size_ladder",
        "solvay_1927",
        "welder",
    )
)


def calibration_images(paths: Sequence[Path] = CALIBRATION_PHOTOS) -> list[npt.NDArray[np.uint8]]:
    """Return photo files as (1, H, W, 3) uint8 RGB at their original size, in order.

    Raises ImageError for a file that is not a photo.
    """
    return [_batch_of_one(path, Resize.ORIGINAL) for path in paths]


def input_images(paths: Sequence[Path], input_size: int = DEFAULT_INPUT_SIZE) -> list[npt.NDArray[np.uint8]]:
    """Return photo files as (1, H, W, 3) uint8 RGB with the longer side at `input_size` pixels, in order.

    Raises ImageError for a file that is not a photo.
    """
    return [_batch_of_one(path, Resize.FIT, input_size) for path in paths]


def _batch_of_one(path: Path, resize: Resize, input_size: int = DEFAULT_INPUT_SIZE) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(prepare(decode_photo(path), resize, input_size).image[None])
