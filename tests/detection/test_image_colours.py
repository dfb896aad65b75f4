"""Photos in other colour spaces look as in a browser; expected values are computed, or Chromium's."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import (
    COLUMNS,
    SRGB_PARAMETERS,
    chunk,
    cmyk_profile,
    linear_light,
    png,
    rgb_profile,
    srgb_codes,
)
from PIL import Image, ImageCms

from featherface.detection.colour_space import unread_profile
from featherface.detection.images import decode_photo

SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Return a sample photo, (H, W, 3) uint8 sRGB."""
    with Image.open(SAMPLE) as image:
        return np.asarray(image.convert("RGB").resize((96, 120)))


def in_space(pixels: np.ndarray, space: str, encode: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the codes, 0..1, that stand for sRGB pixels in a space with these curves."""
    matrix = np.linalg.inv(COLUMNS[space]) @ np.array(COLUMNS["sRGB"])
    return encode(np.clip(linear_light(pixels / 255) @ matrix.T, 0, 1))


def mean_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found.astype(int) - expected.astype(int)).mean())


GAMMA_TABLE = np.linspace(0, 1, 1_024) ** 2.2
SPACES = {
    "Display P3": ("Display P3", SRGB_PARAMETERS, srgb_codes),
    "ProPhoto": ("ProPhoto", 1.8, lambda light: light ** (1 / 1.8)),
    "Adobe RGB": ("Adobe RGB", 563 / 256, lambda light: light ** (256 / 563)),
    "a table": ("Display P3", GAMMA_TABLE, lambda light: light ** (1 / 2.2)),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("name", SPACES)
def test_profiles_of_curves_and_a_matrix(name: str, kind: str, portrait: np.ndarray) -> None:
    space, curve, encode = SPACES[name]
    codes = np.rint(255 * in_space(portrait, space, encode)).astype(np.uint8)
    assert mean_error(codes, portrait) > 2  # so the conversion is needed
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    file = io.BytesIO()
    Image.fromarray(codes).save(file, kind, icc_profile=rgb_profile(space, curve), **options)
    assert mean_error(decode_photo(file.getvalue()).pixels, portrait) <= (1.5 if kind == "JPEG" else 1)


def jpeg_2000(codes: np.ndarray, profile: bytes) -> bytes:
    """Return a lossless JPEG 2000 with a profile in its colour box."""
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG2000")
    before, after = file.getvalue().split(bytes([0, 0, 0, 15]) + b"colr\1\0\0\0\0\0\x10")
    header = before.index(b"jp2h") - 4
    size = int.from_bytes(before[header : header + 4]) - 15 + 11 + len(profile)
    colour = struct.pack(">I4s3s", 11 + len(profile), b"colr", b"\2\0\0") + profile
    return before[:header] + struct.pack(">I", size) + before[header + 4 :] + colour + after


def bmp(codes: np.ndarray, profile: bytes) -> bytes:
    """Return a BMP of version 5 with a profile behind its pixels."""
    height, width, _ = codes.shape
    pixels = b"".join(row[:, ::-1].tobytes() + bytes(-3 * width % 4) for row in codes[::-1])
    header = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    header += bytes(16) + b"DEBM" + bytes(52) + struct.pack("<II", 124 + len(pixels), len(profile)) + bytes(4)
    size = 14 + len(header) + len(pixels) + len(profile)
    return struct.pack("<2sIII", b"BM", size, 0, 14 + len(header)) + header + pixels + profile


@pytest.mark.parametrize("write", [jpeg_2000, bmp])
def test_profiles_that_pillow_does_not_read(
    write: Callable[[np.ndarray, bytes], bytes], portrait: np.ndarray
) -> None:
    space, curve, encode = SPACES["ProPhoto"]
    codes = np.rint(255 * in_space(portrait, space, encode)).astype(np.uint8)
    data = write(codes, rgb_profile(space, curve))
    assert mean_error(decode_photo(data).pixels, portrait) <= 1
    for length in range(60, 700, 40):
        unread_profile(data[:length])  # never raises


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_colours_with_transparency_and_of_palettes_are_converted(mode: str, portrait: np.ndarray) -> None:
    space, curve, encode = SPACES["ProPhoto"]
    image = Image.fromarray(np.rint(255 * in_space(portrait, space, encode)).astype(np.uint8))
    if mode == "P":
        image = image.quantize(256)
    else:
        image.putalpha(255)
    file = io.BytesIO()
    image.save(file, "PNG", icc_profile=rgb_profile(space, curve))
    assert mean_error(decode_photo(file.getvalue()).pixels, portrait) <= (4 if mode == "P" else 1)


@pytest.mark.parametrize("bits", [8, 16])
def test_linear_light_keeps_its_dark_colours(bits: int, portrait: np.ndarray) -> None:
    codes = np.rint((2**bits - 1) * linear_light(portrait / 255)).astype(f"u{bits // 8}")
    data = png(codes, chunk(b"iCCP", b"linear\0\0" + zlib.compress(rgb_profile("sRGB", 1.0))))
    assert mean_error(decode_photo(data).pixels, portrait) <= (2 if bits == 8 else 0.5)


def test_grey_with_a_profile(portrait: np.ndarray) -> None:
    grey = np.asarray(Image.fromarray(portrait).convert("L"))
    codes = Image.fromarray(np.rint(255 * linear_light(grey / 255) ** (1 / 1.4)).astype(np.uint8))
    file = io.BytesIO()
    codes.save(file, "PNG", icc_profile=rgb_profile("sRGB", 1.4, grey=True))
    assert mean_error(decode_photo(file.getvalue()).pixels[:, :, 0], grey) <= 1


def test_a_profile_agrees_with_littlecms(portrait: np.ndarray) -> None:
    profile = rgb_profile("Adobe RGB", 563 / 256)
    expected = ImageCms.profileToProfile(
        Image.fromarray(portrait),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
    )
    file = io.BytesIO()
    Image.fromarray(portrait).save(file, "PNG", icc_profile=profile)
    assert mean_error(decode_photo(file.getvalue()).pixels, np.asarray(expected)) <= 0.5


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), id="sRGB"),
        pytest.param(rgb_profile("sRGB", 2.2, grey=True), id="of grey"),
        pytest.param(rgb_profile("Display P3", 2.2)[:300], id="cut off"),
        pytest.param(b"no profile", id="not a profile"),
    ],
)
def test_profiles_that_change_nothing(profile: bytes, portrait: np.ndarray) -> None:
    file = io.BytesIO()
    Image.fromarray(portrait).save(file, "PNG", icc_profile=profile)
    np.testing.assert_array_equal(decode_photo(file.getvalue()).pixels, portrait)


@given(st.sampled_from(list(SPACES)), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_damaged_profile_never_costs_the_photo(name: str, position: int, data: bytes) -> None:
    space, curve, _ = SPACES[name]
    profile = bytearray(rgb_profile(space, curve))
    position %= len(profile) - len(data)
    profile[position : position + len(data)] = data
    file = io.BytesIO()
    Image.fromarray(CODES).save(file, "PNG", icc_profile=bytes(profile))
    assert decode_photo(file.getvalue()).pixels.shape == CODES.shape


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """Return sRGB codes, 0..255, of L*a*b* relative to D50."""
    y = (lab[..., 0] + 16) / 116
    steps = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(steps > 6 / 29, steps**3, 3 * (6 / 29) ** 2 * (steps - 4 / 29)) * (0.9642, 1, 0.8249)
    return 255 * srgb_codes(xyz @ np.linalg.inv(COLUMNS["sRGB"]).T)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_is_converted_through_its_profile(kind: str) -> None:
    corners = np.zeros((2, 2, 2, 2, 3))
    ink = np.indices((2, 2, 2, 2)).sum(axis=0)
    corners[..., 0] = 100 - 22 * ink  # white paper, which each ink darkens and turns warmer
    corners[..., 2] = 4 * ink
    inks = np.array([[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 255, 0], [255, 255, 255, 255]], np.uint8)
    expected = lab_to_srgb(corners[tuple((inks // 255).T)])
    image = Image.frombytes("CMYK", (64, 16), np.tile(inks.repeat(16, 0), (16, 1)).tobytes())
    file = io.BytesIO()
    image.save(file, kind, icc_profile=cmyk_profile(corners), **({"quality": 100} if kind == "JPEG" else {}))
    found = decode_photo(file.getvalue()).pixels[8, 8::16]
    np.testing.assert_allclose(found, expected, atol=3)


# Code values in the file, and what Chromium shows for grey 10, 60, 128, 200 and for two colours.
CODES = np.array(
    [[[10, 10, 10], [60, 60, 60], [128, 128, 128], [200, 200, 200], [128, 155, 248], [186, 161, 139]]],
    np.uint8,
)


def gama(value: int) -> bytes:
    return chunk(b"gAMA", np.array(value, ">u4").tobytes())


def chrm(*values: int) -> bytes:
    return chunk(b"cHRM", np.array(values, ">u4").tobytes())


def cicp(primaries: int, transfer: int, full_range: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, full_range]))


SRGB_PRIMARIES = chrm(31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
P3_PRIMARIES = chrm(31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)
SRGB_CHUNK = chunk(b"sRGB", b"\0")
P3_CHUNK = chunk(b"iCCP", b"p3\0\0" + zlib.compress(rgb_profile("Display P3", SRGB_PARAMETERS)))
BAD_PROFILE = chunk(b"iCCP", b"bad\0\0" + zlib.compress(b"no profile" * 40))
AS_STORED = CODES[0].tolist()
LINEAR = [[56, 56, 56], [133, 133, 133], [188, 188, 188], [229, 229, 229], [188, 205, 252], [222, 208, 195]]
POWER_2_2 = [[3, 3, 3], [57, 57, 57], [129, 129, 129], [201, 201, 201], [129, 156, 248], [187, 162, 140]]
P3 = [[10, 10, 10], [60, 60, 60], [128, 128, 128], [200, 200, 200], [121, 156, 255], [191, 160, 136]]


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        pytest.param(b"", AS_STORED, id="nothing"),
        pytest.param(gama(45_455), AS_STORED, id="gAMA of sRGB"),
        pytest.param(gama(100_000), LINEAR, id="gAMA of linear light"),
        pytest.param(
            gama(55_556),
            [[10] * 3, [77] * 3, [146] * 3, [210] * 3, [146, 171, 249], [198, 177, 157]],
            id="gAMA of 1.8",
        ),
        pytest.param(P3_PRIMARIES, AS_STORED, id="cHRM alone says nothing"),
        pytest.param(gama(45_455) + SRGB_PRIMARIES, POWER_2_2, id="gAMA and cHRM"),
        pytest.param(
            gama(45_455) + P3_PRIMARIES,
            [[3] * 3, [57] * 3, [129] * 3, [201] * 3, [122, 157, 255], [192, 161, 137]],
            id="gAMA and wide cHRM",
        ),
        pytest.param(SRGB_CHUNK + gama(100_000) + P3_PRIMARIES, AS_STORED, id="sRGB before gAMA"),
        pytest.param(P3_CHUNK + gama(100_000), P3, id="iCCP before gAMA"),
        pytest.param(cicp(12, 13), P3, id="cICP of Display P3"),
        pytest.param(cicp(12, 13) + SRGB_CHUNK, P3, id="cICP before sRGB"),
        pytest.param(cicp(1, 13) + P3_CHUNK, AS_STORED, id="cICP before iCCP"),
        pytest.param(cicp(1, 8), LINEAR, id="cICP of linear light"),
        pytest.param(cicp(1, 4), POWER_2_2, id="cICP of gamma 2.2"),
        pytest.param(
            cicp(9, 14),
            [[1] * 3, [49] * 3, [121] * 3, [197] * 3, [76, 151, 255], [198, 152, 129]],
            id="cICP of BT.2020",
        ),
        pytest.param(cicp(12, 13, 0), AS_STORED, id="cICP of video range"),
        pytest.param(cicp(2, 2), AS_STORED, id="cICP of unknown"),
        pytest.param(gama(0), AS_STORED, id="gAMA of zero"),
        pytest.param(gama(45_455) + chrm(*[0] * 8), AS_STORED, id="impossible cHRM"),
        pytest.param(gama(100_000) + chrm(*[30_000] * 8), AS_STORED, id="impossible cHRM beside a gAMA"),
        pytest.param(gama(300), [[0] * 3] * 6, id="gAMA far from the usual"),
        pytest.param(BAD_PROFILE + gama(100_000), LINEAR, id="gAMA where iCCP cannot be read"),
        pytest.param(
            gama(45_455) + chrm(31_270, 32_900, 73_470, 26_530, 0, 100_000, 10, 0),
            [[3] * 3, [57] * 3, [129] * 3, [201] * 3, [0, 168, 255], [227, 154, 136]],
            id="cHRM of a blue without luminance",
        ),
        pytest.param(
            cicp(1, 7),
            [[25] * 3, [77] * 3, [141] * 3, [206] * 3, [141, 166, 249], [194, 171, 151]],
            id="cICP of SMPTE 240M",
        ),
        pytest.param(
            cicp(1, 11),
            [[1] * 3, [49] * 3, [121] * 3, [197] * 3, [121, 150, 248], [182, 156, 133]],
            id="cICP of xvYCC",
        ),
        pytest.param(cicp(8, 13), [*AS_STORED[:4], [115, 154, 254], [194, 160, 136]], id="cICP of film"),
        pytest.param(cicp(10, 13), [*AS_STORED[:4], [0, 181, 255], [235, 129, 137]], id="cICP of XYZ"),
        pytest.param(cicp(22, 13), [*AS_STORED[:4], [127, 159, 248], [187, 161, 139]], id="cICP of EBU 3213"),
    ],
)
def test_chunks_of_a_png_as_chromium_shows_them(chunks: bytes, shown: list[list[int]]) -> None:
    np.testing.assert_allclose(decode_photo(png(CODES, chunks)).pixels[0], shown, atol=1)


@pytest.mark.parametrize(
    ("transfer", "shown"),
    [
        pytest.param(16, [[0] * 3, [6] * 3, [26] * 3, [175] * 3, [220] * 3, [197, 132, 93]], id="PQ"),
        pytest.param(18, [[1] * 3, [16] * 3, [39] * 3, [115] * 3, [141] * 3, [121, 100, 87]], id="HLG"),
    ],
)
def test_hdr_as_chromium_shows_it(transfer: int, shown: list[list[int]]) -> None:
    """Light above the reference white is darkened, all channels alike; HLG has a system gamma."""
    codes = np.array([[[10] * 3, [34] * 3, [60] * 3, [144] * 3, [164] * 3, [144, 130, 113]]], np.uint8)
    np.testing.assert_allclose(decode_photo(png(codes, cicp(9, transfer))).pixels[0], shown, atol=1)
