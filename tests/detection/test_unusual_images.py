"""Files of unusual depth, with thumbnails, without their end, turned by metadata, or blank."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from image_files import chunk, png, tiff
from PIL import Image

from featherface.detection.images import ImageError, decode_photo
from featherface.detection.tiff_directories import directories

SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "grace_hopper.jpg"
REDUCED, PHOTOMETRIC, COMPRESSION, ORIENTATION = 254, 262, 259, 274
SENSOR, LINEAR_SENSOR = 32_803, 34_892


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Return a sample photo, (120, 96, 3) uint8."""
    with Image.open(SAMPLE) as image:
        return np.asarray(image.convert("RGB").resize((96, 120)))


@pytest.fixture(scope="module")
def grey(portrait: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(portrait).convert("L"))


def mean_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found.astype(int) - expected.astype(int)).mean())


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize(
    ("dtype", "white"),
    [
        pytest.param("f4", 1.0, id="float to 1"),
        pytest.param("f4", 1.02, id="float to a little above 1"),
        pytest.param("f4", 1.3, id="float with overshoots"),
        pytest.param("f4", 255.0, id="float to 255"),
        pytest.param("f4", 262.0, id="float to a little above 255"),
        pytest.param("f4", 65_535.0, id="float to 65,535"),
        pytest.param("f4", 7.0, id="float of a range of its own"),
        pytest.param("f8", 1.02, id="double"),
        pytest.param("u2", 65_535, id="16 bits"),
    ],
)
def test_tiffs_of_any_depth_and_range(
    dtype: str, white: float, colour: bool, portrait: np.ndarray, grey: np.ndarray
) -> None:
    expected = portrait if colour else grey
    values = (expected / 255 * white).astype(dtype)
    found = decode_photo(tiff((values, {}))).pixels
    usual = min((1, 255, 65_535), key=lambda end: abs(np.log(end / white)))
    shown = expected if white == 7 else np.clip(expected * (white / usual), 0, 255)
    assert mean_error(found if colour else found[:, :, 0], shown) <= (10 if white == 7 else 1)


def test_a_few_highlights_do_not_darken_a_photo(grey: np.ndarray) -> None:
    values = (grey / 255).astype(np.float32)
    values[0, :3] = 40.0
    assert mean_error(decode_photo(tiff((values, {}))).pixels[1:, :, 0], grey[1:]) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "full"),
    [
        pytest.param("i2", 32_767, id="signed 16 bits"),
        pytest.param("u4", 2**32 - 1, id="32 bits"),
        pytest.param("u4", 65_535, id="32 bits, the lower 16 used"),
    ],
)
def test_grey_integers_of_other_types(dtype: str, full: int, order: str, grey: np.ndarray) -> None:
    values = np.rint(grey / 255.0 * full).astype(dtype)
    assert mean_error(decode_photo(tiff((values, {}), order=order)).pixels[:, :, 0], grey) <= 1


def test_twelve_bits_fill_the_range(grey: np.ndarray) -> None:
    values = np.rint(grey / 255 * 4_095).astype(np.uint32).reshape(len(grey), -1, 2)
    packed = values[:, :, 0] << 12 | values[:, :, 1]
    rows = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)
    file = tiff((rows.reshape(len(grey), -1), {256: grey.shape[1], 258: 12}))
    assert mean_error(decode_photo(file).pixels[:, :, 0], grey) <= 1


def test_dark_sixteen_bit_files_stay_dark(grey: np.ndarray) -> None:
    """A browser shows what the depth says, not what the values happen to be."""
    header = f"P5 {grey.shape[1]} {grey.shape[0]} 65535\n".encode()
    for file in (
        encoded(Image.fromarray(grey.astype(np.uint16)), "PNG"),
        header + grey.astype(">u2").tobytes(),
    ):
        assert decode_photo(file).pixels.max() == 1


def test_a_nearly_black_image_says_so(grey: np.ndarray) -> None:
    photo = decode_photo(encoded(Image.fromarray(grey.astype(np.uint16) * 16), "PNG"))  # 12 bits of 16
    assert photo.notice.startswith("This image is nearly black: it uses 16 of 255 levels; ")
    assert not photo.is_blank


PLANAR, SAMPLES, JPEG_2000 = 284, 277, 34_712


@pytest.mark.parametrize(
    ("dtype", "tags"),
    [
        pytest.param("u2", {PLANAR: 2}, id="planes of 16 bits, which Pillow takes for 8"),
        pytest.param("f4", {PLANAR: 2}, id="planes of floats, which OpenCV takes for pixels"),
        pytest.param("u1", {COMPRESSION: JPEG_2000}, id="compression for which OpenCV returns zeros"),
        pytest.param("i2", {}, id="signed colours, which OpenCV takes for unsigned"),
    ],
)
def test_colours_that_would_be_misread_are_refused(
    dtype: str, tags: dict[int, int], portrait: np.ndarray
) -> None:
    white = 1 if dtype == "f4" else np.iinfo(dtype).max
    file = tiff(((portrait / 255.0 * white).astype(dtype), tags))
    with pytest.raises(ImageError, match="of an unusual kind; save it again as JPEG or PNG"):
        decode_photo(file)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_white_may_be_zero(dtype: str, grey: np.ndarray) -> None:
    white = np.iinfo(dtype).max
    values = (white - np.rint(grey / 255.0 * white)).astype(dtype)
    assert mean_error(decode_photo(tiff((values, {PHOTOMETRIC: 0}))).pixels[:, :, 0], grey) <= 1


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[::4, ::4])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("sub_directories", [True, False], ids=["SubIFD", "next directory"])
def test_the_full_image_is_taken_not_its_thumbnail(
    sub_directories: bool, order: str, portrait: np.ndarray
) -> None:
    images = (thumbnail(portrait), {REDUCED: 1}), (portrait, {REDUCED: 0})
    file = tiff(*images, sub_directories=sub_directories, order=order)
    np.testing.assert_array_equal(decode_photo(file).pixels, portrait)


@pytest.mark.parametrize(
    ("images", "size"),
    [
        pytest.param(((4, 0), (1, 1)), 4, id="thumbnail second"),
        pytest.param(((4, 0), (8, 0)), 4, id="two pages: the first"),
        pytest.param(((1, 1), (2, 1)), 2, id="nothing but thumbnails: the largest"),
        pytest.param(((1, 1), (8, 4), (4, 0)), 4, id="a mask is no photo"),
    ],
)
def test_which_image_of_a_tiff_is_taken(images: tuple[tuple[int, int], ...], size: int) -> None:
    file = tiff(
        *((np.full((size, size, 3), size, np.uint8), {REDUCED: kind}) for size, kind in images),
        sub_directories=False,
    )
    assert decode_photo(file).pixels.shape == (size, size, 3)


def test_the_first_directory_turns_the_full_image(portrait: np.ndarray) -> None:
    images = (thumbnail(portrait), {REDUCED: 1, ORIENTATION: 6}), (portrait, {REDUCED: 0})
    np.testing.assert_array_equal(decode_photo(tiff(*images)).pixels, np.rot90(portrait, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_the_orientation_of_a_tiff(dtype: str, orientation: int, portrait: np.ndarray) -> None:
    turned = {
        1: portrait,
        2: portrait[:, ::-1],
        3: portrait[::-1, ::-1],
        4: portrait[::-1],
        5: portrait.swapaxes(0, 1),
        6: np.rot90(portrait, -1),
        7: portrait[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(portrait, 1),
    }[orientation]
    file = tiff(((portrait / (255 if dtype == "f4" else 1)).astype(dtype), {ORIENTATION: orientation}))
    np.testing.assert_array_equal(decode_photo(file).pixels, turned)


def test_a_tiff_that_names_two_widths_is_refused(portrait: np.ndarray) -> None:
    """The size is checked before the pixels are decoded, so it must be the size that the decoder sees."""
    data = tiff((portrait.astype(np.float32), {270: 0}))
    entry = struct.pack("<HHI", 270, 4, 1)  # sorted behind the width, whose number it now takes
    data = data.replace(entry + bytes(4), struct.pack("<HHII", 256, 4, 1, 60_000))
    assert directories(data) == []
    with pytest.raises(ImageError):
        decode_photo(data)


RAW = {
    "DNG": lambda photo: tiff(
        (thumbnail(photo), {REDUCED: 1, 50_706: 0x0401}), (photo[:, :, 0], {REDUCED: 0, PHOTOMETRIC: SENSOR})
    ),
    "linear DNG": lambda photo: tiff(
        (thumbnail(photo), {REDUCED: 1}), (photo, {REDUCED: 0, PHOTOMETRIC: LINEAR_SENSOR})
    ),
    "NEF": lambda photo: tiff(
        (thumbnail(photo), {REDUCED: 1}), (photo[:, :, 0], {REDUCED: 0, COMPRESSION: 34_713})
    ),
    "sensor data first": lambda photo: tiff((photo[:, :, 0], {PHOTOMETRIC: SENSOR})),
    "CR2": lambda photo: b"II*\0\x10\0\0\0CR\x02\0" + tiff((photo, {})),
    "CR3": lambda photo: b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99),
    "RAF": lambda photo: b"FUJIFILMCCD-RAW 0201" + bytes(99),
    "ORF": lambda photo: b"IIRO\x08\0\0\0" + bytes(99),
    "RW2": lambda photo: b"IIU\0\x18\0\0\0" + bytes(99),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_files_are_refused_as_such(name: str, portrait: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"camera's raw file.*export it as JPEG or PNG"):
        decode_photo(RAW[name](portrait))


@pytest.fixture(scope="module")
def photo_file() -> bytes:
    return encoded(Image.open(SAMPLE), "JPEG", quality=90)


@pytest.fixture(scope="module")
def progressive_file() -> bytes:
    return encoded(Image.open(SAMPLE), "JPEG", quality=90, progressive=True)


def test_a_jpeg_without_its_last_bytes_is_whole(photo_file: bytes) -> None:
    photo = decode_photo(photo_file[:-2])
    np.testing.assert_array_equal(photo.pixels, decode_photo(photo_file).pixels)
    assert photo.notice == (
        "This file is incomplete: its end is missing; copy or download it again to see all of it."
    )


@pytest.mark.parametrize("kept", [0.6, 0.75, 0.9])
def test_the_rows_of_a_cut_jpeg_that_are_there(kept: float, photo_file: bytes) -> None:
    whole = decode_photo(photo_file)
    photo = decode_photo(photo_file[: int(kept * len(photo_file))])
    assert photo.pixels.shape == whole.pixels.shape
    share = int(photo.notice.split("top ")[1].split("%")[0]) / 100
    rows = int(share * whole.height) - 32  # the last row of blocks is there in part, and smoothed
    np.testing.assert_array_equal(photo.pixels[:rows], whole.pixels[:rows])
    assert (photo.pixels[rows + 56 :] == 128).all()  # grey, as libjpeg fills it


def test_most_of_a_cut_jpeg_missing_is_refused(photo_file: bytes) -> None:
    with pytest.raises(ImageError, match=r"only the top \d+% of the photo is there; copy or download it"):
        decode_photo(photo_file[: len(photo_file) // 4])


@pytest.mark.parametrize("kept", [0.4, 0.7, 0.99])
def test_a_cut_progressive_jpeg_has_all_rows_with_less_detail(kept: float, progressive_file: bytes) -> None:
    photo = decode_photo(progressive_file[: int(kept * len(progressive_file))])
    assert mean_error(photo.pixels, decode_photo(progressive_file).pixels) < 6
    assert "its end is missing" in photo.notice


def test_a_jpeg_cut_inside_the_header_of_a_scan(progressive_file: bytes) -> None:
    scans = [at for at in range(len(progressive_file)) if progressive_file.startswith(b"\xff\xda", at)]
    for length in (scans[3] + 1, scans[3] + 5):
        assert "its end is missing" in decode_photo(progressive_file[:length]).notice


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_cut_jpegs_of_other_colours(mode: str) -> None:
    data = encoded(Image.open(SAMPLE).convert(mode), "JPEG")
    assert "only the top" in decode_photo(data[: int(0.8 * len(data))]).notice
    with pytest.raises(ImageError, match="only the top"):
        decode_photo(data[: len(data) // 4])


def exif(orientation: int, kind: int = 3) -> bytes:
    value = struct.pack("<HH", orientation, 0) if kind == 3 else struct.pack("<I", orientation)
    return b"II*\0" + struct.pack("<IHHHI", 8, 1, 0x112, kind, 1) + value + bytes(4)


def jpeg_with(portrait: np.ndarray, *segments: bytes) -> bytes:
    data = encoded(Image.fromarray(portrait), "JPEG", quality=95)
    blocks = (b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in segments)
    return data[:2] + b"".join(blocks) + data[2:]


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
MARK = b"Exif\0\0"
TEXT = b"\nexif\n      32\n" + (MARK + exif(6)).hex().encode() + b"\n"
TURNS = {  # whether Chromium turns the photo
    "EXIF": (lambda photo: jpeg_with(photo, MARK + exif(6)), True),
    "EXIF of another type": (lambda photo: jpeg_with(photo, MARK + exif(6, 4)), False),
    "EXIF of no orientation": (lambda photo: jpeg_with(photo, MARK + exif(9)), False),
    "two EXIF blocks, the first turns": (
        lambda photo: jpeg_with(photo, MARK + exif(6), MARK + exif(3)),
        True,
    ),
    "XMP": (lambda photo: jpeg_with(photo, b"http://ns.adobe.com/xap/1.0/\0" + XMP), False),
    "XMP against EXIF": (
        lambda photo: jpeg_with(photo, b"http://ns.adobe.com/xap/1.0/\0" + XMP, MARK + exif(1)),
        False,
    ),
    "eXIf in a PNG": (lambda photo: png(photo, chunk(b"eXIf", exif(6))), True),
    "eXIf behind the pixels": (lambda photo: png(photo, after=chunk(b"eXIf", exif(6))), False),
    "text in a PNG": (
        lambda photo: png(photo, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(TEXT))),
        False,
    ),
    "XMP in a PNG": (lambda photo: png(photo, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)), False),
    "EXIF in a WebP": (
        lambda photo: encoded(Image.fromarray(photo), "WEBP", lossless=True, exif=MARK + exif(6)),
        False,
    ),
    "XMP in a TIFF": (lambda photo: encoded(Image.fromarray(photo), "TIFF", tiffinfo={700: XMP}), False),
}


@pytest.mark.parametrize("name", TURNS)
def test_metadata_turns_a_photo_where_it_does_in_chromium(name: str, portrait: np.ndarray) -> None:
    make, turns = TURNS[name]
    expected = np.rot90(portrait, -1) if turns else portrait
    found = decode_photo(make(portrait)).pixels
    assert found.shape == expected.shape
    assert mean_error(found, expected) < 4  # a JPEG loses some


def test_a_default_image_that_is_no_frame_is_not_shown(portrait: np.ndarray) -> None:
    """Browsers show the first frame of an animated PNG, not what other programs show."""
    frames = [Image.fromarray(portrait), Image.fromarray(portrait[::-1])]
    default = Image.new("RGB", frames[0].size, "navy")
    file = encoded(default, "PNG", save_all=True, append_images=frames, default_image=True)
    np.testing.assert_array_equal(decode_photo(file).pixels, portrait)


def animation(first: Image.Image) -> bytes:
    return encoded(first, "GIF", save_all=True, append_images=[Image.open(SAMPLE).resize(first.size)])


BLANK = {
    "one colour": encoded(Image.new("RGB", (40, 30), "navy"), "JPEG"),
    "white paper": encoded(Image.new("L", (40, 30), 255), "PNG"),
    "fully transparent": encoded(Image.new("RGBA", (40, 30), (9, 99, 200, 0)), "PNG"),
    "blank first frame": animation(Image.new("RGB", (40, 30), "black")),
    "colours under full transparency": encoded(
        Image.merge(
            "RGBA", [*Image.effect_noise((40, 30), 90).convert("RGB").split(), Image.new("L", (40, 30))]
        ),
        "PNG",
    ),
}


@pytest.mark.parametrize("name", BLANK)
def test_a_blank_image_says_so(name: str) -> None:
    photo = decode_photo(BLANK[name])
    assert photo.is_blank
    assert photo.notice.startswith("This image is blank: ")
    assert "choose another photo" in photo.notice
    assert photo.shrunk(10).notice == photo.notice


def test_a_spot_in_the_corner_is_not_blank() -> None:
    pixels = np.full((300, 200, 3), 255, np.uint8)
    pixels[299, 199] = 0
    photo = decode_photo(cv2.imencode(".png", pixels)[1].tobytes())
    assert (photo.is_blank, photo.notice) == (False, "")
