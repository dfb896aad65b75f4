"""Pictures of every kind become one kind: upright 8-bit RGB."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from featherface.config import MAX_BYTES, MAX_DIMENSION, MAX_PIXELS
from featherface.errors import FeatherFaceError

__all__ = ["FORMATS", "ImageError", "Photo", "decode_photo"]

# What cameras, phones and the web make. Pillow knows more, but some of it runs other programs (EPS), and an
# AVIF of 12,000 x 12,000 pixels can pass as one of 8 x 8: its real size is only known once it is decoded.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "PPM")

# Pillow warns of large pictures on opening, before this module can refuse them in a sentence by MAX_PIXELS.
Image.MAX_IMAGE_PIXELS = None

_WHITE = (255, 255, 255, 255)
_BAND = 512  # rows converted at a time: of large photos every copy as a whole is 200 MB


class ImageError(FeatherFaceError):
    """A source is no picture that can be used; the message is one sentence for people."""


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright photo.

    pixels: read-only (H, W, 3) uint8 RGB.
    """

    pixels: np.ndarray

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the shape and the pixels, hexadecimal: equal for equal pictures in any file."""
        digest = hashlib.sha256(str(self.pixels.shape).encode())
        digest.update(self.pixels)
        return digest.hexdigest()

    def shrunk(self, side: int) -> Photo:
        """Return a copy whose longer side is `side` pixels, or this photo where it is no longer than that."""
        scale = side / max(self.width, self.height)
        if scale >= 1:
            return self
        size = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        return _photo(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA))


def decode_photo(source: Path | str | bytes | Image.Image | np.ndarray) -> Photo:
    """Return the upright RGB photo in a file, its bytes, a Pillow image or an array.

    Turned by its EXIF orientation, which is then dropped with all other metadata; transparency lies on white;
    of an animation the first frame. Arrays are RGB or RGBA (H, W, 3 or 4) or grey (H, W), of 8 or 16 bits or
    float in 0..1. Raises ImageError.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, "The picture")
    if isinstance(source, bytes):
        return _from_bytes(source, "The picture")
    if isinstance(source, (str, Path)):
        path = Path(source)
        return _from_bytes(_read(path), path.name)
    raise ImageError(f"A photo is a path, bytes, a Pillow image or an array, not {type(source).__name__}.")


def _photo(pixels: np.ndarray) -> Photo:
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
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not a picture in a known format; save it as JPEG or PNG "
            "(HEIC and AVIF photos and SVG drawings too) and try again."
        ) from error
    except MemoryError as error:
        raise _too_much(name) from error
    except Exception as error:  # Pillow's readers raise nearly every kind of exception on damaged files
        raise _damaged(name) from error
    with image:
        return _from_image(image, name)


def _from_image(image: Image.Image, name: str) -> Photo:
    _check_size(image.width, image.height, name)
    try:
        image.load()
        return _photo(_rgb(_upright(image)))
    except ImageError:
        raise
    except MemoryError as error:
        raise _too_much(name) from error
    except Exception as error:  # as above
        raise _damaged(name) from error


def _damaged(name: str) -> ImageError:
    return ImageError(
        f"{name} is damaged, cut off or of an unusual kind; save it again as JPEG or PNG and try once more."
    )


def _too_much(name: str) -> ImageError:
    return ImageError(f"{name} needs more memory than is free; scale it down or try again later.")


def _check_bytes(count: int, name: str) -> None:
    if count == 0:
        raise ImageError(f"{name} is empty; choose another file.")
    if count > MAX_BYTES:
        raise ImageError(
            f"{name} has {count / 2**20:.0f} MB and the limit is {MAX_BYTES // 2**20} MB; "
            "save it smaller or as JPEG."
        )


def _check_size(width: int, height: int, name: str) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"{name} has no pixels; choose another picture.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_DIMENSION:
        raise ImageError(
            f"{name} measures {width} x {height} pixels and the limit is {MAX_PIXELS // 10**6} megapixels "
            f"and {MAX_DIMENSION} pixels a side; scale it down."
        )


def _upright(image: Image.Image) -> Image.Image:
    try:
        if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image  # and no copy of it
        return ImageOps.exif_transpose(image)
    except Exception:  # the pixels are loaded by now: only the EXIF block is damaged, so go without
        return image


def _rgb(image: Image.Image) -> np.ndarray:
    """Return (H, W, 3) uint8 of an image of any mode."""
    if image.mode == "I" or image.mode == "F" or image.mode.startswith("I;16"):
        return _rgb_from_grey(_eight_bits(np.asarray(image)))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        pixels[top:bottom] = _band(image.crop((0, top, image.width, bottom)))
    return pixels


def _band(image: Image.Image) -> np.ndarray:
    """Return (H, W, 3) uint8 of an image of 8 bits or fewer a channel."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba)
    elif image.mode == "CMYK" and image.info.get("icc_profile"):
        image = _cmyk_through_profile(image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _cmyk_through_profile(image: Image.Image) -> Image.Image:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")  # the profile does not fit: colours suffer, faces do not


def _from_array(array: np.ndarray) -> Photo:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"An array must be (H, W), (H, W, 3) or (H, W, 4), not {tuple(array.shape)}; give one RGB photo."
        )
    _check_size(array.shape[1], array.shape[0], "The array")
    if array.dtype != np.uint8:
        array = _eight_bits(array)
    if array.ndim == 2 or array.shape[2] == 1:
        return _photo(_rgb_from_grey(array.reshape(array.shape[:2])))
    if array.shape[2] == 4:
        return _photo(_rgb(Image.fromarray(np.ascontiguousarray(array))))
    return _photo(array.copy())  # the caller may write to its own


def _rgb_from_grey(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Scale values to uint8: uint16 by its range, others by the least usual range that holds them."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if values.dtype.kind not in "iuf":
        raise ImageError(
            f"Pixels of type {values.dtype} are not a picture; give 8-bit, 16-bit or float values."
        )
    if not np.isfinite(values).all():
        raise ImageError("The picture holds values that are not numbers; save it again as 8-bit JPEG or PNG.")
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
