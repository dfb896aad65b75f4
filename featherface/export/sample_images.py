"""Photos from files as network inputs, for calibration and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from featherface.config import DEFAULT_INPUT_SIZE, WEIGHTS_DIR
from featherface.detection.images import decode_photo
from featherface.detection.preprocess import Resize, prepare

__all__ = ["CALIBRATION_PHOTOS", "SAMPLE_PHOTOS", "input_images"]

_FOLDER = WEIGHTS_DIR.parent / "assets" / "samples"
SAMPLE_PHOTOS = tuple(sorted(_FOLDER.glob("*.jpg")))  # bundled
# Set the value ranges of int8 unless others are named; fixed, because the average precision depends on them.
CALIBRATION_PHOTOS = tuple(
    _FOLDER / f"{name}.jpg" for name in ("chelsea_the_cat", "eileen_collins", "grace_hopper", "size_ladder")
)


def input_images(paths: Sequence[Path], input_size: int = DEFAULT_INPUT_SIZE) -> list[npt.NDArray[np.uint8]]:
    """Return photo files as (1, H, W, 3) uint8 RGB with the longer side at `input_size` pixels, in order.

    Raises ImageError for a file that is not a photo.
    """
    return [
        np.ascontiguousarray(prepare(decode_photo(path), Resize.FIT, input_size).image[None])
        for path in paths
    ]
