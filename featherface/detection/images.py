"""Images of every common format, decoded into one form: upright 8-bit RGB."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

from featherface.config import MAX_BYTES, MAX_DIMENSION, MAX_PIXELS
from featherface.detection.colour_space import (
    RgbSpace,
    icc_space,
    is_profile,
    png_chunks,
    png_space,
    table_transform,
    unread_profile,
)
from featherface.detection.incomplete_jpeg import missing_share, open_incomplete
from featherface.detection.tiff_directories import (
    Directory,
    directories,
    exif_orientation,
    full_image,
    is_camera_raw,
    starting_at,
)
from featherface.errors import FeatherFaceError
from featherface.files import printable, short_name

__all__ = ["FORMATS", "ImageError", "Photo", "decode_photo", "memory_errors_as_sentence"]

# What cameras, phones and the web produce. Pillow reads more, but some of it runs other programs (EPS), and
# an AVIF of 12,000 x 12,000 pixels can pass as one of 8 x 8: its real size is only known once decoded.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "PPM")

# Damaged files become sentences here; OpenCV would print its own lines on standard error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# Pillow warns of large images on opening, before this module can refuse them by MAX_PIXELS.
Image.MAX_IMAGE_PIXELS = None

_WHITE = (255, 255, 255, 255)
_LEAST_SHARE = 0.5  # of the rows of a JPEG without its end; below that it is refused
_BLANK_LEVELS = 3  # by which the pixels of a blank image may differ, as after JPEG compression
_DARK_PEAK = 31  # levels; an eighth of the range
_BLANK = (
    "This image is blank: it is one colour, or fully transparent; choose another photo, or export the frame "
    "or layer that shows something."
)
_DARK = (
    "This image is nearly black: it uses {peak} of 255 levels; brighten it, or export it with values that "
    "fill the range."
)
_XMP = ("xmp", "XML:com.adobe.xmp")  # where Pillow keeps XMP metadata
_OPENCV_COMPRESSIONS = (1, 5, 8, 32_773, 32_946)  # none, LZW, Deflate, PackBits; of others it returns zeros
_USUAL_RANGES = (1.0, 255.0, 65_535.0)  # of values whose type does not say which one is white
_SAMPLED_VALUES = 2**20  # values among which the brightest 1% are looked for
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
    """An upright photo in sRGB.

    pixels: read-only (H, W, 3) uint8 RGB. notice: one sentence for people about a file that is incomplete,
    blank or nearly black, else empty. is_blank: whether all pixels have one colour.
    """

    pixels: npt.NDArray[np.uint8]
    notice: str = ""
    is_blank: bool = False

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
        pixels = np.asarray(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        return Photo(_read_only(pixels), self.notice, self.is_blank)


@memory_errors_as_sentence("The photo")
def decode_photo(source: Path | str | bytes | Image.Image | np.ndarray) -> Photo:
    """Return the upright RGB photo in a file, its bytes, a Pillow image or an array.

    Colours are converted to sRGB from an ICC profile or a PNG's own chunks. EXIF orientation is applied as in
    browsers, then dropped with all other metadata. Transparency becomes white; of an animation the first
    frame is taken; of a TIFF the full image, not its thumbnail; of a JPEG without its end what is there, if
    that is half of the rows or more (`Photo.notice` says so). Arrays are RGB or RGBA (H, W, 3 or 4) or grey
    (H, W), of 8 or 16 bits or float in 0..1. Raises ImageError.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, "The photo")
    if isinstance(source, bytes):
        return _from_bytes(source, "The photo")
    if isinstance(source, (str, Path)):
        path = Path(source)
        return _from_bytes(_read(path), short_name(path.name))
    raise ImageError(f"A photo is a path, bytes, a Pillow image or an array, not {type(source).__name__}.")


def _photo(pixels: npt.NDArray[np.uint8], notice: str = "") -> Photo:
    pixels = _read_only(pixels)
    is_blank = _is_blank(pixels)
    level = _BLANK if is_blank else _darkness(pixels)
    return Photo(pixels, " ".join(filter(None, (notice, level))), is_blank)


def _read_only(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    return pixels


def _is_blank(pixels: npt.NDArray[np.uint8]) -> bool:
    """Say whether all pixels have one colour. A few are compared first: that settles nearly every photo."""
    return all(
        int(np.ptp(part[:, :, channel])) <= _BLANK_LEVELS
        for part in (pixels[::61, ::61], pixels)
        for channel in range(3)
    )


def _darkness(pixels: npt.NDArray[np.uint8]) -> str:
    """Return a sentence if all pixels are nearly black, as of a file that uses a part of its range."""
    if pixels[::61, ::61].max() > _DARK_PEAK or pixels.max() > _DARK_PEAK:
        return ""
    return _DARK.format(peak=pixels.max())


def _read(path: Path) -> bytes:
    try:
        _check_bytes(path.stat().st_size, short_name(path.name))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{printable(str(path))} cannot be read ({reason}); check the path.") from error


def _from_bytes(data: bytes, name: str) -> Photo:
    _check_bytes(len(data), name)
    found = directories(data)
    if is_camera_raw(data, found):
        raise ImageError(
            f"{name} is a camera's raw file, which needs developing first; export it as JPEG or PNG."
        )
    full = full_image(found)
    if full is not None and full is not found[0]:
        data = starting_at(data, full.offset)
    try:
        with memory_errors_as_sentence(name):
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if full is not None:
            return _from_unusual_tiff(data, found, full, name)
        raise ImageError(
            f"{name} is not an image in a supported format (HEIC, AVIF and SVG are not supported); "
            "save it as JPEG or PNG and try again."
        ) from error
    except ImageError:
        raise
    except Exception as error:  # Pillow's readers raise nearly every kind of exception on damaged files
        raise _damaged(name) from error
    with image:
        _check_size(image.width, image.height, name)
        return _from_file(image, data, found, full, name)


def _from_file(
    image: Image.Image, data: bytes, found: list[Directory], full: Directory | None, name: str
) -> Photo:
    """Return the photo of an opened file. found: its TIFF directories. full: the one of `image`."""
    notice = ""
    try:
        with memory_errors_as_sentence(name):
            for name_of_xmp in _XMP:
                image.info.pop(name_of_xmp, None)  # Pillow would turn a TIFF by it
            if getattr(image, "default_image", False):  # of an animated PNG: browsers show the first frame
                image.seek(1)
            try:
                image.load()
            except OSError:
                if image.format not in ("JPEG", "MPO"):
                    raise
                image, notice = _incomplete(data, name)
            if full is not None and full is not found[0] and not image.info.get("icc_profile"):
                image.info["icc_profile"] = _first_profile(data, found)
            if image.format in ("JPEG2000", "BMP"):
                image.info["icc_profile"] = unread_profile(data)
            if full is not None and _is_misread(full, image):
                raise _damaged(name)
            pixels = _upright(_rgb(image, data, full), _orientation(image, data, found, full))
            return _photo(pixels, notice)
    except ImageError:
        raise
    except Exception as error:  # as above
        raise _damaged(name) from error


def _is_misread(directory: Directory, image: Image.Image) -> bool:
    """Say whether Pillow reads a TIFF's values as others: planes of 16 bits as 8, signed as unsigned."""
    return (directory.is_planar and directory.bits > 8) or (directory.is_signed and not _is_deep_grey(image))


def _from_image(image: Image.Image, name: str) -> Photo:
    """Return the photo in a Pillow image, which may not be loaded yet."""
    _check_size(image.width, image.height, name)
    try:
        with memory_errors_as_sentence(name):
            image.load()
            return _photo(_upright(_rgb(image, b"", None), _orientation(image, b"", [], None)))
    except ImageError:
        raise
    except Exception as error:  # as above
        raise _damaged(name) from error


def _incomplete(data: bytes, name: str) -> tuple[Image.Image, str]:
    """Return the image of a JPEG file without its end, and a notice. Raises ImageError for less than half."""
    image = open_incomplete(data)
    if image is None:
        raise _damaged(name)
    present = 1 - missing_share(image)
    if present < _LEAST_SHARE:
        raise ImageError(
            f"{name} is incomplete: only the top {present:.0%} of the photo is there; copy or download it "
            "again."
        )
    what = "its end is missing" if present == 1 else f"only the top {present:.0%} of the photo is there"
    return image, f"This file is incomplete: {what}; copy or download it again to see all of it."


def _from_unusual_tiff(data: bytes, found: list[Directory], full: Directory, name: str) -> Photo:
    """Return the photo in a TIFF whose kind of pixels Pillow does not read, such as colours in float."""
    _check_size(full.width, full.height, name)
    is_misread = full.is_planar or (full.is_signed and full.bits < 32)  # by OpenCV, without an error
    if is_misread or full.compression not in _OPENCV_COMPRESSIONS:
        raise _damaged(name)
    try:
        with memory_errors_as_sentence(name):
            values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        values = None
    if values is None or sorted(values.shape[:2]) != sorted((full.height, full.width)):
        raise _damaged(name)
    values = np.asarray(values)
    if values.ndim == 3:
        values = values[:, :, [2, 1, 0, *range(3, values.shape[2])]]  # OpenCV has blue first
    pixels = _from_array(values).pixels  # OpenCV has applied what the directory itself says
    return _photo(_upright(pixels, 1 if full.has_orientation else found[0].orientation))


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


def _orientation(image: Image.Image, data: bytes, found: list[Directory], full: Directory | None) -> int:
    """Return the EXIF orientation, 1 to 8, where browsers look for it.

    That is in a JPEG's EXIF, in a PNG's eXIf chunk before the pixels and in a TIFF. They ignore XMP, text
    chunks of PNG, and EXIF in WebP.
    """
    if full is not None:  # Pillow has applied what the directory itself says
        return 1 if full.has_orientation else found[0].orientation
    if image.format in ("JPEG", "MPO"):
        exif = image.info.get("exif", b"")
        return exif_orientation(exif.removeprefix(b"Exif\0\0"))
    if image.format == "PNG":
        return exif_orientation(png_chunks(data).get(b"eXIf", b"") if data else image.info.get("exif", b""))
    return 1


def _upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Return a view of (H, W, 3) pixels that are stored with an EXIF orientation, the right way up."""
    if orientation >= 5:  # 5 to 8 are 1, 4, 3 and 2 with rows and columns exchanged
        pixels = pixels.swapaxes(0, 1)
    vertical = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    horizontal = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[vertical, horizontal]


def _first_profile(data: bytes, found: list[Directory]) -> bytes | None:
    """Return the ICC profile of a TIFF's first directory, which speaks for the images in its SubIFDs too."""
    with Image.open(io.BytesIO(starting_at(data, found[0].offset)), formats=["TIFF"]) as first:
        profile: bytes | None = first.info.get("icc_profile")
        return profile


def _rgb(image: Image.Image, data: bytes, directory: Directory | None) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) uint8 sRGB of a loaded image of any mode, as stored: not turned upright.

    data: the file, or nothing. directory: of a TIFF.
    """
    conversion = _conversion(image, data)
    if _is_deep_grey(image):
        pixels = _rgb_from_grey(_grey(image, directory))
        return conversion.to_srgb(pixels) if isinstance(conversion, RgbSpace) else pixels
    deep = _deep_colour(data, directory) if isinstance(conversion, RgbSpace) else None
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        band = image.crop((0, top, image.width, bottom))
        rgba = band.convert("RGBA") if band.has_transparency_data else None
        colours = _colours(rgba or band, conversion, None if deep is None else deep[top:bottom])
        pixels[top:bottom] = colours if rgba is None else _on_white(colours, rgba.getchannel("A"))
    return pixels


def _is_deep_grey(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _conversion(image: Image.Image, data: bytes) -> RgbSpace | ImageCms.ImageCmsTransform | None:
    """Return what converts the image's colours to sRGB; None if they are sRGB, or nothing says what they are.

    A profile for other colours than the image's is ignored, as in browsers.
    """
    profile = image.info.get("icc_profile") or b""
    space = png_space(png_chunks(data), has_profile=is_profile(profile))
    if space is None:
        is_grey = image.mode in ("1", "L", "LA") or _is_deep_grey(image)
        if image.mode in ("CMYK", "LAB") or (profile[16:20] == b"GRAY" and not is_grey):
            return table_transform(image)
        space = icc_space(profile)
        if space is None:
            return table_transform(image)
    return None if space.is_srgb else space


def _colours(
    image: Image.Image,
    conversion: RgbSpace | ImageCms.ImageCmsTransform | None,
    deep: npt.NDArray[np.uint16] | None,
) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) uint8 sRGB of an image of at most 8 bits per channel, without its transparency.

    deep: the same colours at 16 bits, if the file has them.
    """
    if conversion is None:
        return np.asarray(image.convert("RGB"))
    if isinstance(conversion, RgbSpace):
        return conversion.to_srgb(np.asarray(image.convert("RGB")) if deep is None else deep)
    return np.asarray(ImageCms.applyTransform(image.convert(conversion.input_mode), conversion))


def _on_white(colours: npt.NDArray[np.uint8], alpha: Image.Image) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) colours as they look on white."""
    front = Image.fromarray(colours)
    front.putalpha(alpha)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", alpha.size, _WHITE), front).convert("RGB"))


def _deep_colour(data: bytes, directory: Directory | None) -> npt.NDArray[np.uint16] | None:
    """Return (H, W, 3) uint16 RGB of a PNG or TIFF with 16 bits per channel, which Pillow shortens to 8.

    Shortened before a conversion, the dark colours of a linear file would become a few steps.
    """
    png = data.startswith(b"\x89PNG") and data[24:26] in (b"\x10\x02", b"\x10\x06")
    if not png and (directory is None or directory.bits != 16):
        return None
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] < 3:
        return None
    return np.asarray(values[:, :, 2::-1], np.uint16)


def _grey(image: Image.Image, directory: Directory | None) -> npt.NDArray[np.uint8]:
    """Return (H, W) uint8 of a grey image with more than 8 bits, by the range that its file declares."""
    values = np.asarray(image)
    if directory is not None and values.dtype.kind in "iu":
        if directory.bits == 32 and not directory.is_signed:
            values = values.view(np.uint32)
        full = {12: 4_095, 16: 32_767 if directory.is_signed else 65_535}.get(directory.bits)
        grey = _eight_bits(values, full)
    else:
        grey = _eight_bits(values, 65_535 if image.format in ("PPM", "PNG", "JPEG2000") else None)
    return np.invert(grey) if directory is not None and directory.is_white_zero else grey


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
        colours = np.ascontiguousarray(array[:, :, :3])
        return _photo(_on_white(colours, Image.fromarray(np.ascontiguousarray(array[:, :, 3]))))
    return _photo(array.copy())  # the caller may write to its own array


def _rgb_from_grey(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _eight_bits(values: np.ndarray, full: float | None = None) -> npt.NDArray[np.uint8]:
    """Scale values to uint8: by `full`, which becomes white, or by the range of the type or of the values."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise ImageError(
            f"Pixels of type {values.dtype} are not an image; pass 8-bit, 16-bit or float values."
        )
    if not np.isfinite(values).all():
        raise ImageError("The image contains NaN or infinite values; save it again as 8-bit JPEG or PNG.")
    if full is None:
        full = 65_535 if values.dtype == np.uint16 else _used_range(values)
    scaled = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _BAND):
        band = np.rint(values[top : top + _BAND] * (255.0 / full))
        scaled[top : top + _BAND] = np.clip(band, 0, 255)
    return scaled


def _used_range(values: np.ndarray) -> float:
    """Return the value to show as white: the end of the usual range that the values fill, if they fill one.

    A few values above that, such as highlights or overshoots of a resampling filter, are clipped. Ranges of
    another kind end where 99% of their values lie.
    """
    step = max(1, values.size // _SAMPLED_VALUES)
    bright = float(np.percentile(values.reshape(-1)[::step], 99))
    peak = float(values.max())
    if values.dtype.kind in "iu" and peak <= _USUAL_RANGES[1]:
        return _USUAL_RANGES[1]
    usual = next((usual for usual in _USUAL_RANGES if bright <= 1.5 * usual), None)
    if usual is not None and (usual == _USUAL_RANGES[0] or bright >= usual / 8):
        return usual
    return peak if peak <= 1.5 * bright else bright
