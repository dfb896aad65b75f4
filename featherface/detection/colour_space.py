"""What an image file says of its colours (ICC profiles, PNG chunks), and their conversion to sRGB.

Rules as in browsers: in a PNG, cICP goes before an ICC profile, then sRGB, then gAMA with or without cHRM.
Sources: ICC.1:2022, the PNG specification (third edition), ITU-T H.273.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

__all__ = [
    "RgbSpace",
    "icc_space",
    "is_profile",
    "png_chunks",
    "png_space",
    "table_transform",
    "unread_profile",
]

_Curve = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]  # code values 0..1 to linear light
_Matrix = npt.NDArray[np.float64]

# Linear sRGB to XYZ, relative to D50, the white of ICC profiles: the columns of every sRGB profile.
_SRGB_TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
_XYZ_TO_SRGB = np.linalg.inv(_SRGB_TO_XYZ)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])
_D65 = (0.3127, 0.3290)

_STEPS = 65_536  # of linear light in the table that encodes it as sRGB
_BAND = 512  # rows converted at a time, as float32
_MAX_PROFILE_BYTES = 4 * 10**6  # profiles of printing presses reach 2 MB
_MAX_TAGS = 100
_JP2_PROFILE = b"\x02"  # a colour box with an ICC profile
_BMP_PROFILE = b"DEBM"  # version 5 of the header, with an embedded profile
_MAX_CHUNKS = 1_000
_SRGB_GAMMA = 45_455  # what a PNG of sRGB says beside its sRGB chunk, times 100,000


@dataclass(frozen=True, eq=False)
class RgbSpace:
    """An RGB colour space: one curve per channel, and a matrix from its linear light to that of sRGB.

    hdr: "PQ" or "HLG" where the curves return light relative to the reference white, which goes beyond it.
    """

    curves: tuple[_Curve, _Curve, _Curve]
    matrix: _Matrix  # (3, 3)
    hdr: Literal["", "PQ", "HLG"] = ""

    def to_srgb(self, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
        """Return (H, W, 3) pixels of this space, of 8 or 16 bits, as uint8 sRGB; out of gamut is clipped."""
        codes = np.linspace(0, 1, np.iinfo(pixels.dtype).max + 1)
        with np.errstate(all="ignore"):  # curves of damaged profiles may divide by zero
            tables = [np.nan_to_num(curve(codes), posinf=1).astype(np.float32) for curve in self.curves]
        matrix = self.matrix.astype(np.float32)
        converted = np.empty(pixels.shape, np.uint8)
        for top in range(0, len(pixels), _BAND):
            band = pixels[top : top + _BAND]
            linear = np.stack([table[band[:, :, channel]] for channel, table in enumerate(tables)], axis=-1)
            if self.hdr == "HLG":
                linear = _display_light(linear)
            if self.hdr:
                linear = _tone_map(linear)
            linear = np.asarray(cv2.transform(linear, matrix), np.float32)
            np.clip(linear, 0, 1, out=linear)
            linear *= _STEPS - 1
            converted[top : top + _BAND] = _ENCODED[np.rint(linear).astype(np.uint16)]
        return converted

    @cached_property
    def is_srgb(self) -> bool:
        """Whether a conversion would change no colour by more than one level."""
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        return bool(np.abs(self.to_srgb(colours).astype(int) - colours).max() <= 1)


def _encode(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return sRGB code values, 0..1, of linear light 0..1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


_ENCODED = np.rint(255 * _encode(np.linspace(0, 1, _STEPS))).astype(np.uint8)


def _power(gamma: float) -> _Curve:
    return lambda codes: codes**gamma


def _parametric(g: float, a: float, b: float, c: float, d: float, e: float = 0, f: float = 0) -> _Curve:
    """Return (a x + b)^g + e from x = d on, and c x + f below it."""
    return lambda codes: np.where(codes >= d, np.maximum(a * codes + b, 0) ** g + e, c * codes + f)


_SRGB_CURVE = _parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE = _power(2.4)  # of displays (ITU-R BT.1886), as browsers show it
# Screens without HDR show the reference white at half their light, and darken what is above it less and less
# up to 1,000 cd/m2, as Chromium does (reference white tone mapping, ISO 22028-5).
_HDR_WHITE, _HDR_PEAK = 203.0, 1_000.0  # cd/m2
_BT2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
_SHOWN_WHITE = 0.5
_KNEE = 0.65  # where between them the tangents of the curve meet


def _pq(codes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    root = codes ** (1 / 78.84375)
    light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return light ** (1 / 0.1593017578125) * 10_000 / _HDR_WHITE


def _hlg(codes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    scene = np.where(
        codes <= 0.5, codes**2 / 3, (np.exp((codes - 0.55991073) / 0.17883277) + 0.28466892) / 12
    )
    return scene * _HDR_PEAK / _HDR_WHITE


def _display_light(scene: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the light that a screen makes of (H, W, 3) scene light in HLG: luminance with a system gamma."""
    luminance = scene @ (_BT2020_LUMINANCE * np.float32(_HDR_WHITE / _HDR_PEAK))
    return np.asarray(scene * luminance[:, :, None] ** np.float32(0.2), np.float32)


def _tone_map(light: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return linear light relative to the reference white of HDR as a screen without HDR shows it.

    light: (H, W, 3). All channels are darkened alike, by what the brightest needs.
    """
    share = np.linspace(0, 1, 256)[:, None]
    middle = 1 - _KNEE + _KNEE / _SHOWN_WHITE, (1 - _KNEE) * _SHOWN_WHITE + _KNEE
    ends = np.array([(1, _SHOWN_WHITE), middle, (_HDR_PEAK / _HDR_WHITE, 1)])
    curve = (1 - share) ** 2 * ends[0] + 2 * share * (1 - share) * ends[1] + share**2 * ends[2]
    brightest = light.max(axis=-1, keepdims=True).clip(1, _HDR_PEAK / _HDR_WHITE)  # half, up to white
    return np.asarray(light * (np.interp(brightest, *curve.T) / brightest), np.float32)


# Code points of ITU-T H.273: primaries as x, y of red, green, blue and white, and transfer characteristics.
_PRIMARIES: Mapping[int, tuple[float, ...]] = {
    1: (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65),
    4: (0.670, 0.330, 0.210, 0.710, 0.140, 0.080, 0.310, 0.316),
    5: (0.640, 0.330, 0.290, 0.600, 0.150, 0.060, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    10: (1, 0, 0, 1, 0, 0, 1 / 3, 1 / 3),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}
_TRANSFERS: Mapping[int, _Curve] = {
    1: _BT709_CURVE,
    4: _power(2.2),
    5: _power(2.8),
    6: _BT709_CURVE,
    7: _parametric(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0913),
    8: _power(1),
    11: _BT709_CURVE,
    13: _SRGB_CURVE,
    14: _BT709_CURVE,
    15: _BT709_CURVE,
    16: _pq,
    17: lambda codes: codes**2.6 * 52.37 / 48,
    18: _hlg,
}
_HDR: Mapping[int, Literal["PQ", "HLG"]] = {16: "PQ", 18: "HLG"}


def _primaries_to_srgb(chromaticities: tuple[float, ...]) -> _Matrix | None:
    """Return the matrix from linear light of these primaries to sRGB's; None for impossible ones.

    chromaticities: x, y of red, green, blue and white.
    """
    x, y = np.array(chromaticities[::2]), np.array(chromaticities[1::2])
    if y[3] <= 0:
        return None
    xyz = np.stack([x, y, 1 - x - y])  # one column per colour, each primary of unknown strength
    xyz[:, 3] /= y[3]
    try:
        to_xyz = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
        adapted = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ _D50 / (_BRADFORD @ xyz[:, 3])) @ _BRADFORD
    except np.linalg.LinAlgError:
        return None
    matrix = _XYZ_TO_SRGB @ adapted @ to_xyz
    return matrix if np.isfinite(matrix).all() else None


def png_chunks(data: bytes) -> dict[bytes, bytes]:
    """Return the intact chunks that come before the pixels of a PNG, the first of each kind; else nothing."""
    chunks: dict[bytes, bytes] = {}
    position = 8
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return chunks
    for _ in range(_MAX_CHUNKS):
        length, kind = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        end = position + 8 + length
        if kind in (b"", b"IDAT", b"IEND") or end + 4 > len(data):
            break
        if int.from_bytes(data[end : end + 4]) == zlib.crc32(data[position + 4 : end]):
            chunks.setdefault(kind, data[position + 8 : end])
        position = end + 4
    return chunks


def png_space(chunks: Mapping[bytes, bytes], *, has_profile: bool) -> RgbSpace | None:
    """Return the colour space that a PNG's chunks other than iCCP name; None for sRGB or what iCCP says.

    has_profile: whether iCCP holds a profile that can be read.
    """
    coded = chunks.get(b"cICP", b"")
    if len(coded) == 4 and coded[2:] == b"\0\1" and coded[0] in _PRIMARIES and coded[1] in _TRANSFERS:
        curve, matrix = _TRANSFERS[coded[1]], _primaries_to_srgb(_PRIMARIES[coded[0]])
        return None if matrix is None else RgbSpace((curve, curve, curve), matrix, _HDR.get(coded[1], ""))
    if has_profile or b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    return _gamma_space(int.from_bytes(chunks[b"gAMA"]), chunks.get(b"cHRM", b""))


def _gamma_space(gamma: int, primaries: bytes) -> RgbSpace | None:
    """Return the space of a gAMA chunk's number and a cHRM chunk's content, or nothing in place of that."""
    if gamma == 0 or (gamma == _SRGB_GAMMA and not primaries):  # without primaries it is meant as sRGB
        return None
    matrix: _Matrix | None = np.eye(3)
    if len(primaries) == 32:
        white, *colours = np.array(struct.unpack(">8I", primaries)).reshape(4, 2) / 100_000
        matrix = _primaries_to_srgb(tuple(np.concatenate([*colours, white]).tolist()))
    curve = _power(100_000 / gamma)
    return None if matrix is None else RgbSpace((curve, curve, curve), matrix)


def unread_profile(data: bytes) -> bytes:
    """Return the ICC profile in a JPEG 2000 or BMP file, which Pillow does not read; else nothing."""
    if data[4:8] == b"jP  ":
        header = _box(data, b"jp2h")
        colour = _box(header, b"colr")
        return colour[3:] if colour[:1] == _JP2_PROFILE else b""
    if data[:2] == b"BM" and data[70:74] == _BMP_PROFILE:
        offset, size = struct.unpack_from("<II", data.ljust(134, b"\0"), 126)
        return data[14 + offset : 14 + offset + size]
    return b""


def _box(data: bytes, wanted: bytes) -> bytes:
    """Return the content of the first box of a kind in JPEG 2000 data."""
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if kind == wanted:
            return data[position + 8 : position + size]
        if size < 8:  # the last box, or a damaged one
            break
        position += size
    return b""


def is_profile(data: bytes) -> bool:
    """Say whether these bytes are an ICC profile, by its header and its table of tags."""
    return bool(_icc_tags(data))


def icc_space(profile: bytes) -> RgbSpace | None:
    """Return the space of an ICC profile that consists of curves and a matrix, or of one curve for grey.

    None for profiles of other kinds (`table_transform` converts through those), and for damaged ones.
    """
    tags = _icc_tags(profile)
    space = profile[16:20]
    if space == b"GRAY" and b"kTRC" in tags:
        curve = _icc_curve(tags[b"kTRC"])
        return None if curve is None else RgbSpace((curve, curve, curve), np.eye(3))
    if space != b"RGB " or profile[20:24] != b"XYZ " or b"A2B0" in tags:
        return None
    if not {b"rTRC", b"gTRC", b"bTRC", b"rXYZ", b"gXYZ", b"bXYZ"} <= tags.keys():
        return None
    curves = [_icc_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    columns = [tags[name] for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    red, green, blue = curves
    if red is None or green is None or blue is None or any(len(column) < 20 for column in columns):
        return None
    to_xyz = np.array([struct.unpack(">3i", column[8:20]) for column in columns]).T / 65_536
    return RgbSpace((red, green, blue), _XYZ_TO_SRGB @ to_xyz)


def _icc_tags(profile: bytes) -> dict[bytes, bytes]:
    if len(profile) < 132 or len(profile) > _MAX_PROFILE_BYTES or profile[36:40] != b"acsp":
        return {}
    count = min(int.from_bytes(profile[128:132]), _MAX_TAGS)
    tags = {}
    for start in range(132, min(132 + 12 * count, len(profile) - 11), 12):
        name, offset, size = struct.unpack_from(">4sII", profile, start)
        tags[name] = profile[offset : offset + size]
    return tags


def _icc_curve(tag: bytes) -> _Curve | None:
    """Return the curve of a `curv` or `para` tag; None for a damaged one."""
    count = int.from_bytes(tag[8:12])
    if tag[:4] == b"curv":
        if len(tag) < 12 + 2 * count:
            return None
        values = np.frombuffer(tag[12 : 12 + 2 * count], ">u2")
        if count == 0:
            return _power(1)
        if count == 1:
            return _power(int(values[0]) / 256)
        points, table = np.linspace(0, 1, count), values / 65_535
        return lambda codes: np.interp(codes, points, table)
    if tag[:4] == b"para":
        return _icc_parametric(int.from_bytes(tag[8:10]), tag[12:])
    return None


def _icc_parametric(kind: int, data: bytes) -> _Curve | None:
    counts = (1, 3, 4, 5, 7)
    if kind >= len(counts) or len(data) < 4 * counts[kind]:
        return None
    g, *rest = (number / 65_536 for number in struct.unpack_from(f">{counts[kind]}i", data))
    if kind == 0:
        return _power(g)
    if kind in (1, 2):  # zero, or c, below the point where a x + b is zero
        a, b, c = (*rest, 0.0)[:3]
        return None if a == 0 else _parametric(g, a, b, 0, -b / a, c, c)
    return _parametric(g, *rest)


def table_transform(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """Return the transform to sRGB of a CMYK or Lab image, or of an RGB image whose profile holds tables.

    None without a profile that fits the image. `icc_space` covers profiles of curves and a matrix.
    """
    data = image.info.get("icc_profile") or b""
    space, mode = {"CMYK": (b"CMYK", "CMYK"), "LAB": (b"Lab ", "LAB")}.get(image.mode, (b"RGB ", "RGB"))
    if mode != "LAB" and (data[16:20] != space or len(data) > _MAX_PROFILE_BYTES):
        return None
    try:
        if mode == "LAB":  # needs no profile: its values are colours as people see them
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        return ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            # without compensation of the black point, which LittleCMS adds to the perceptual intent
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (ImageCms.PyCMSError, OSError):
        return None
