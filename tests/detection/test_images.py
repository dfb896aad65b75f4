from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from featherface.config import MAX_BYTES, MAX_DIMENSION, MAX_PIXELS
from featherface.detection.images import ImageError, decode_photo

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def quarters() -> Image.Image:
    """24 x 16 pixels: red, green over blue, white. Quarters are whole JPEG blocks, so colours survive."""
    image = Image.new("RGB", (48, 32), RED)
    image.paste(GREEN, (24, 0, 48, 16))
    image.paste(BLUE, (0, 16, 24, 32))
    image.paste(WHITE, (24, 16, 48, 32))
    return image


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """Colours at the top left, top right, bottom left and bottom right, cleaned of JPEG's rounding."""
    clean = np.where(pixels > 127, 255, 0)
    return [tuple(clean[y, x].tolist()) for y in (3, -4) for x in (3, -4)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"])
def test_formats(quarters: Image.Image, kind: str) -> None:
    photo = decode_photo(encoded(quarters, kind))
    assert (photo.width, photo.height) == (48, 32)
    assert photo.pixels.dtype == np.uint8
    assert corners(photo.pixels) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(quarters: Image.Image, orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quarters.transpose(undo[orientation]) if orientation > 1 else quarters
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode_photo(encoded(stored, "JPEG", exif=exif, quality=95))
    assert (photo.width, photo.height) == (48, 32)
    assert corners(photo.pixels) == [RED, GREEN, BLUE, WHITE]


def test_damaged_exif_costs_the_rotation_not_the_photo(quarters: Image.Image) -> None:
    data = encoded(quarters, "PNG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert corners(decode_photo(data).pixels) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "YCbCr", "HSV", "PA"])
def test_modes_look_as_pillow_shows_them(quarters: Image.Image, mode: str) -> None:
    via = quarters.convert("L").convert(mode) if mode == "PA" else quarters.convert(mode)
    expected = np.asarray(via.convert("RGB")).astype(int)
    assert np.abs(decode_photo(via).pixels - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 4, 8))
    image = clear.quantize(4) if mode == "P" else clear.convert(mode)
    pixels = decode_photo(encoded(image, "PNG")).pixels
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 7].tolist() == [255, 255, 255]


def test_cmyk_with_and_without_a_profile(quarters: Image.Image) -> None:
    cmyk = quarters.convert("CMYK")
    assert corners(decode_photo(encoded(cmyk, "JPEG", quality=95)).pixels) == [RED, GREEN, BLUE, WHITE]
    rgb_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (rgb_profile, b"no profile"):  # one for other colours, one damaged: neither stops us
        data = encoded(cmyk, "TIFF", icc_profile=profile)
        assert corners(decode_photo(data).pixels) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 32_768, 65_535]], np.uint16), [0, 128, 255]),
        (np.array([[0, 128, 65_535]], np.int32), [0, 0, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[-3.0, 127.6, 255.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 4e5, 1e6]], np.float32), [0, 102, 255]),
    ],
)
def test_deep_grey_is_scaled_to_eight_bits(values: np.ndarray, expected: list[int]) -> None:
    for source in (values, encoded(Image.fromarray(values), "TIFF")):
        assert decode_photo(source).pixels[0, :, 0].tolist() == expected


def test_sixteen_bit_png_is_turned_upright_too() -> None:
    values = np.arange(6, dtype=np.uint16).reshape(2, 3) * 257
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned right
    photo = decode_photo(encoded(Image.fromarray(values), "PNG", exif=exif))
    np.testing.assert_array_equal(photo.pixels[:, :, 0], np.rot90(values // 257, -1))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert decode_photo(data).pixels[8, 8].tolist() == list(RED)


@pytest.mark.parametrize(
    ("array", "first"),
    [
        (np.full((4, 5, 3), (1, 2, 3), np.uint8), [1, 2, 3]),
        (np.full((4, 5), 7, np.uint8), [7, 7, 7]),
        (np.full((4, 5, 1), 7, np.uint8), [7, 7, 7]),
        (np.full((4, 5, 4), (9, 9, 9, 0), np.uint8), [255, 255, 255]),
        (np.full((4, 5, 3), (0.0, 0.2, 1.0)), [0, 51, 255]),
        (np.ones((4, 5), bool), [255, 255, 255]),
        (np.full((5, 4, 3), (1, 2, 3), np.uint8).transpose(1, 0, 2)[:, ::-1], [1, 2, 3]),  # strided
    ],
)
def test_arrays(array: np.ndarray, first: list[int]) -> None:
    photo = decode_photo(array)
    assert photo.pixels.shape == (4, 5, 3)
    assert photo.pixels[0, 0].tolist() == first


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5, 2), np.uint8), "must be"),
        (np.zeros((1, 4, 5, 3), np.uint8), "must be"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.full((4, 5), np.nan), "NaN or infinite"),
        (np.zeros((4, 5), complex), "complex"),
    ],
)
def test_invalid_arrays(array: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_photo(array)


def test_a_photo_is_a_copy_of_the_callers_array() -> None:
    array = np.zeros((4, 5, 3), np.uint8)
    photo = decode_photo(array)
    array[:] = 255
    assert not photo.pixels.any()
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0] = 1


def test_the_digest_depends_on_the_pixels_not_the_file(quarters: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "Bär.png"
    quarters.save(path)
    digests = {
        decode_photo(source).digest for source in (path, str(path), quarters, encoded(quarters, "BMP"))
    }
    assert len(digests) == 1
    flat = np.zeros((2, 8, 3), np.uint8)
    assert decode_photo(flat).digest != decode_photo(flat.reshape(4, 4, 3)).digest


def test_shrunk_keeps_the_aspect_and_never_grows(quarters: Image.Image) -> None:
    photo = decode_photo(quarters)
    small = photo.shrunk(24)
    assert (small.width, small.height) == (24, 16)
    assert corners(small.pixels) == [RED, GREEN, BLUE, WHITE]
    assert photo.shrunk(100) is photo
    assert decode_photo(np.zeros((1, 500), np.uint8)).shrunk(10).pixels.shape == (1, 10, 3)


def out_of_memory(*_: object, **__: object) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("module", "function", "use"),
    [
        (cv2, "resize", lambda: decode_photo(np.zeros((9, 9), np.uint8)).shrunk(3)),
        (np, "repeat", lambda: decode_photo(np.zeros((3, 3), np.uint8))),
        (np, "empty", lambda: decode_photo(Image.new("L", (3, 3)))),
    ],
    ids=["shrinking", "an array", "an image"],
)
def test_a_lack_of_memory_is_one_sentence(
    module: object, function: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, function, out_of_memory)
    with pytest.raises(ImageError, match="The photo needs more memory than is free; scale it down"):
        use()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


NOT_IMAGES = {
    "empty": b"",
    "text": b"hello",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "zip": b"PK\x03\x04" + bytes(60),
    "gzip": gzip.compress(b"hello"),
    "pickle": pickle.dumps({"a": 1}),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "jpeg start": b"\xff\xd8\xff\xe0",
    "bomb": png_header(60_000, 60_000),
    "just too large": png_header(MAX_PIXELS // 1000 + 1, 1000),
    "too long": png_header(MAX_DIMENSION + 1, 1),
}


@pytest.mark.parametrize("data", NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_a_file_that_is_no_image_gives_one_sentence(data: bytes) -> None:
    with pytest.raises(ImageError) as raised:
        decode_photo(data)
    message = str(raised.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert ";" in message  # what is wrong; what to do


def test_too_many_bytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match=r"large\.png .* 30 MB"):
        decode_photo(path)


@pytest.mark.parametrize("name", ["missing.jpg", ".", "nul\0.jpg"])
def test_a_path_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        decode_photo(tmp_path / name)


def test_an_unsupported_source() -> None:
    with pytest.raises(ImageError, match="not int"):
        decode_photo(3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_file_cut_off_is_refused(kind: str, kept: float) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = encoded(image, kind)
    with pytest.raises(ImageError, match=r"damaged|supported format"):
        decode_photo(data[: int(len(data) * kept)])


@pytest.mark.filterwarnings("ignore")  # Pillow may warn of metadata that it skips
@given(st.sampled_from(["JPEG", "PNG", "TIFF", "GIF", "WEBP"]), st.integers(0, 10**6), st.integers(0, 255))
@settings(max_examples=150)
def test_a_damaged_byte_gives_a_photo_or_a_sentence(kind: str, position: int, value: int) -> None:
    image = ImageOps.grayscale(Image.linear_gradient("L").resize((40, 30)))
    data = bytearray(encoded(image, kind))
    data[position % len(data)] = value
    with contextlib.suppress(ImageError):
        assert decode_photo(bytes(data)).pixels.dtype == np.uint8
