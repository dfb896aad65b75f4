"""Images of every common format, decoded into one form: upright 8-bit RGB."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from featherface.config import MAX_BYTES, MAX_DIMENSION, MAX_PIXELS
from featherface.errors import FeatherFaceError

__all__ = ["FORMATS", "ImageError", "Photo", "decode_photo", "memory_errors_as_sentence"]

# What cameras, phones and the web produce. Pillow reads more, but some of it runs other programs (EPS), and
# an AVIF of 12,000 x 12,000 pixels can pass as one of 8 x 8: its real size is only known once decoded.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "PPM")

# Pillow warns of large images on opening, before this module can refuse them by MAX_PIXELS.
Image.MAX_IMAGE_PIXELS = None

_WHITE = (255, 255, 255, 255)
_BAND = 512  # rows converted at a time: every whole copy of a large photo is 200 MB
# PyTorch's messages, on Linux and elsewhere, and OpenCV's; neither raises MemoryError.
_MEMORY_MESSAGES = ("can't allocate memory", "not enough memory", "Insufficient memory")


class ImageError(FeatherFaceError):
    """An image cannot be used; the message is one sentence for people."""


@contextmanager
def memory_errors_as_sentence(name: str, advice: str = "scale it down or try again later") -> Iterator[None]:
    """Raise ImageError in place of the memory errors of NumPy, Pillow, OpenCV and PyTorch.

    Works around a block and as a decorator. `name` is what needs the memory: "The photo", a file name.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, MemoryError) or any(text in str(error) for text in _MEMORY_MESSAGES):
            raise ImageError(f"{name} needs more memory than is free; {advice}.") from error
        raise


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright photo.

    pixels: read-only (H, W, 3) uint8 RGB.
    """

    pixels: npt.NDArray[np.uint8]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shape and pixels, hexadecimal: equal for equal pixels, whatever file they come from."""
        digest = hashlib.sha256(str(self.pixels.shape).encode())
        digest.update(self.pixels.data)
        return digest.hexdigest()

    @memory_errors_as_sentence("The photo")
    def shrunk(self, longest: int) -> Photo:
        """Return a copy whose longer side has `longest` pixels, or this photo if it is no longer than that.

        Raises ImageError when memory runs out.
        """
        scale = longest / max(self.width, self.height)
        if scale >= 1:
            return self
        size = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        return _photo(np.asarray(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA), np.uint8))


@memory_errors_as_sentence("The photo")
def decode_photo(source: Path | str | bytes | Image.Image | np.ndarray) -> Photo:
    """Return the upright RGB photo in a file, its bytes, a Pillow image or an array.

    EXIF orientation is applied, then dropped with all other metadata. Transparency becomes white; of an
    animation the first frame is taken. Arrays are RGB or RGBA (H, W, 3 or 4) or grey (H, W), of 8 or 16 bits
    or float in 0..1. Raises ImageError.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, "The photo")
    if isinstance(source, bytes):
        return _from_bytes(source, "The photo")
    if isinstance(source, (str, Path)):
        path = Path(source)
        return _from_bytes(_read(path), path.name)
    raise ImageError(f"A photo is a path, bytes, a Pillow image or an array, not {type(source).__name__}.")


def _photo(pixels: npt.NDArray[np.uint8]) -> Photo:
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    return Photo(pixels)


def _read(path: Path) -> bytes:
    try:
        _check_bytes(path.stat().st_size, path.name)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path} cannot be read ({reason}); check the path.") from error


def _from_bytes(data: bytes, name: str) -> Photo:
    _check_bytes(len(data), name)
    try:
        with memory_errors_as_sentence(name):
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image in a supported format (HEIC, AVIF and SVG are not supported); "
            "save it as JPEG or PNG and try again."
        ) from error
    except ImageError:
        raise
    except Exception as error:  # Pillow's readers raise nearly every kind of exception on damaged files
        raise _damaged(name) from error
    with image:
        return _from_image(image, name)


def _from_image(image: Image.Image, name: str) -> Photo:
    _check_size(image.width, image.height, name)
    try:
        with memory_errors_as_sentence(name):
            image.load()
            return _photo(_rgb(_upright(image)))
    except ImageError:
        raise
    except Exception as error:  # as above
        raise _damaged(name) from error


def _damaged(name: str) -> ImageError:
    return ImageError(
        f"{name} is damaged, incomplete or of an unusual kind; save it again as JPEG or PNG and try again."
    )


def _check_bytes(count: int, name: str) -> None:
    if count == 0:
        raise ImageError(f"{name} is empty; choose another file.")
    if count > MAX_BYTES:
        raise ImageError(
            f"{name} has {count / 10**6:.1f} MB and the limit is {MAX_BYTES // 10**6} MB; "
            "scale it down or save it as JPEG."
        )


def _check_size(width: int, height: int, name: str) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"{name} has no pixels; choose another image.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_DIMENSION:
        raise ImageError(
            f"{name} has {width:,} × {height:,} pixels and the limit is {MAX_PIXELS // 10**6} megapixels "
            f"and {MAX_DIMENSION:,} pixels per side; scale it down."
        )


def _upright(image: Image.Image) -> Image.Image:
    try:
        if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image  # without a copy
        return ImageOps.exif_transpose(image)
    except Exception:  # the pixels are loaded by now, so only the EXIF block is damaged: ignore it
        return image


def _rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) uint8 of an image of any mode."""
    if image.mode == "I" or image.mode == "F" or image.mode.startswith("I;16"):
        return _rgb_from_grey(_eight_bits(np.asarray(image)))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        pixels[top:bottom] = _band(image.crop((0, top, image.width, bottom)))
    return pixels


def _band(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) uint8 of an image of at most 8 bits per channel."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba)
    elif image.mode == "CMYK" and image.info.get("icc_profile"):
        image = _cmyk_through_profile(image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _cmyk_through_profile(image: Image.Image) -> Image.Image:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        converted = ImageCms.profileToProfile(
            image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        converted = None
    # without a usable profile the colours are a little off, which detection does not mind
    return image.convert("RGB") if converted is None else converted


def _from_array(array: np.ndarray) -> Photo:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"An array must be (H, W), (H, W, 3) or (H, W, 4), not {tuple(array.shape)}; pass one RGB photo."
        )
    _check_size(array.shape[1], array.shape[0], "The array")
    if array.dtype != np.uint8:
        array = _eight_bits(array)
    if array.ndim == 2 or array.shape[2] == 1:
        return _photo(_rgb_from_grey(array.reshape(array.shape[:2])))
    if array.shape[2] == 4:
        return _photo(_rgb(Image.fromarray(np.ascontiguousarray(array))))
    return _photo(array.copy())  # the caller may write to its own array


def _rgb_from_grey(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _eight_bits(values: np.ndarray) -> npt.NDArray[np.uint8]:
    """Scale values to uint8: uint16 by its range, others by the smallest usual range that holds them."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise ImageError(
            f"Pixels of type {values.dtype} are not an image; pass 8-bit, 16-bit or float values."
        )
    if not np.isfinite(values).all():
        raise ImageError("The image contains NaN or infinite values; save it again as 8-bit JPEG or PNG.")
    if values.dtype == np.uint16:
        full = 65_535
    else:
        peak = float(values.max())
        full = next((usual for usual in (1, 255, 65_535) if peak <= usual), math.ceil(peak))
    scaled = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _BAND):
        band = np.rint(values[top : top + _BAND] * (255.0 / full))
        scaled[top : top + _BAND] = np.clip(band, 0, 255)
    return scaled
