"""From a photo to the network's input, with what is needed to map boxes back to the photo."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from featherface.config import DEFAULT_INPUT_SIZE, MAX_INPUT_PIXELS, MIN_INPUT_SIZE, PIXEL_MEAN_BGR
from featherface.detection.images import Photo

__all__ = ["Prepared", "Resize", "largest_scale", "prepare"]

_MEAN_COLOUR = np.rint(PIXEL_MEAN_BGR[::-1]).astype(
    np.uint8
)  # RGB; nothing is left of it once the mean is off


class Resize(StrEnum):
    """How a photo becomes the network's input."""

    FIT = "fit"  # the longer side becomes `input_size` pixels, the aspect ratio stays
    ORIGINAL = "original"  # as it is, up to MAX_INPUT_PIXELS; `input_size` is not used
    STUDY = "study"  # stretched to `input_size` x `input_size`, as in the study; faces are distorted


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network input.

    image: (H, W, 3) uint8 RGB, H and W at least MIN_INPUT_SIZE; may share memory with the photo.
    extent: width and height of that input in photo pixels; fractions of the input times it are photo pixels.
    """

    image: npt.NDArray[np.uint8]
    extent: tuple[float, float]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        return self.image.shape[0], self.image.shape[1]


def prepare(photo: Photo, resize: Resize = Resize.FIT, input_size: int = DEFAULT_INPUT_SIZE) -> Prepared:
    """Resize `photo`, and pad it to MIN_INPUT_SIZE with the mean colour on the right and below."""
    width, height = _target_size(photo, resize, input_size)
    image = _resized(photo.pixels, width, height, resize)
    input_width, input_height = max(width, MIN_INPUT_SIZE), max(height, MIN_INPUT_SIZE)
    if (input_width, input_height) != (width, height):
        padded = np.empty((input_height, input_width, 3), np.uint8)
        padded[:] = _MEAN_COLOUR
        padded[:height, :width] = image
        image = padded
    extent = (photo.width * input_width / width, photo.height * input_height / height)
    return Prepared(image, extent)


def largest_scale(photo: Photo) -> float:
    """Return the scale at which `photo` has MAX_INPUT_PIXELS."""
    return float((MAX_INPUT_PIXELS / (photo.width * photo.height)) ** 0.5)


def _target_size(photo: Photo, resize: Resize, input_size: int) -> tuple[int, int]:
    """Return the width and height, in pixels, that the photo is resized to."""
    if resize is Resize.STUDY:
        return input_size, input_size
    if resize is Resize.FIT:
        scale = input_size / max(photo.width, photo.height)
    else:
        scale = min(1.0, largest_scale(photo))
    return max(1, round(photo.width * scale)), max(1, round(photo.height * scale))


def _resized(pixels: npt.NDArray[np.uint8], width: int, height: int, resize: Resize) -> npt.NDArray[np.uint8]:
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = width < pixels.shape[1] or height < pixels.shape[0]
    # bilinear samples four pixels and so skips most pixels of a large photo, as the study does
    averages = shrinks and resize is not Resize.STUDY
    interpolation = cv2.INTER_AREA if averages else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=interpolation), np.uint8)
