"""ICC profiles, PNG and TIFF files written by hand, for what Pillow cannot write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["chunk", "cmyk_profile", "linear_light", "png", "rgb_profile", "srgb_codes", "tiff"]

# XYZ relative to D50 of linear red, green and blue: published by Bruce Lindbloom, and Apple for Display P3.
COLUMNS: Mapping[str, Sequence[Sequence[float]]] = {
    "sRGB": [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ],
    "Display P3": [
        [0.5151220, 0.2919769, 0.1571045],
        [0.2411957, 0.6922455, 0.0665741],
        [-0.0010529, 0.0418854, 0.7840729],
    ],
    "ProPhoto": [[0.7976749, 0.1351917, 0.0313534], [0.2880402, 0.7118741, 0.0000857], [0, 0, 0.8252100]],
    "Adobe RGB": [
        [0.6097559, 0.2052401, 0.1492240],
        [0.3111242, 0.6256560, 0.0632197],
        [0.0194811, 0.0608902, 0.7448387],
    ],
}
SRGB_PARAMETERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def linear_light(codes: np.ndarray) -> np.ndarray:
    """Return linear light of sRGB codes, both 0..1 (IEC 61966-2-1)."""
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def srgb_codes(light: np.ndarray) -> np.ndarray:
    """Return sRGB codes of linear light, both 0..1."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def rgb_profile(space: str, curve: float | tuple[float, ...] | np.ndarray, *, grey: bool = False) -> bytes:
    """Return an ICC profile of curves and a matrix. curve: a gamma, parameters of `para` 3, or a table."""
    if isinstance(curve, np.ndarray):
        trc = struct.pack(">4sII", b"curv", 0, len(curve)) + (curve * 65_535).round().astype(">u2").tobytes()
    elif isinstance(curve, tuple):
        trc = struct.pack(">4sIHH5i", b"para", 0, 3, 0, *(round(number * 65_536) for number in curve))
    else:
        trc = struct.pack(">4sIIH", b"curv", 0, 1, round(curve * 256))
    white = _xyz((0.9642, 1, 0.8249))
    if grey:
        return _profile(b"GRAY", b"XYZ ", {b"kTRC": trc, b"wtpt": white})
    columns = np.array(COLUMNS[space]).T
    tags = {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    return _profile(b"RGB ", b"XYZ ", {**tags, b"rTRC": trc, b"gTRC": trc, b"bTRC": trc, b"wtpt": white})


def cmyk_profile(lab: np.ndarray) -> bytes:
    """Return a CMYK profile whose 16 corners, (2, 2, 2, 2, 3) by C, M, Y and K, have these L*a*b* values."""
    straight = bytes(range(256))
    codes = np.stack([lab[..., 0] * 2.55, lab[..., 1] + 128, lab[..., 2] + 128], axis=-1)
    header = struct.pack(
        ">4sI4B9i", b"mft1", 0, 4, 3, 2, 0, *(65_536 * number for number in np.eye(3, dtype=int).flat)
    )
    table = header + 4 * straight + codes.round().clip(0, 255).astype(np.uint8).tobytes() + 3 * straight
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table, b"wtpt": _xyz((0.9642, 1, 0.8249))}, kind=b"prtr")


def _xyz(values: Sequence[float]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(value * 65_536) for value in values))


def _profile(space: bytes, connection: bytes, tags: Mapping[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    words = {
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"desc": b"desc" + struct.pack(">II", 0, 5) + b"test\0" + bytes(78),
    }
    table, body = b"", b""
    start = 128 + 4 + 12 * (len(tags) + len(words))
    for name, data in {**words, **tags}.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, kind, space, connection)
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63_190, 65_536, 54_061)
    return header + bytes(128 - len(header)) + struct.pack(">I", len(tags) + len(words)) + table + body


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: np.ndarray, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return a PNG of (H, W, 3) pixels, uint8 or uint16, with chunks before and after those of the pixels."""
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    body = chunk(b"IDAT", zlib.compress(rows, 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + body + after + chunk(b"IEND", b"")


def tiff(
    *images: tuple[np.ndarray, Mapping[int, int]], sub_directories: bool = True, order: str = "<"
) -> bytes:
    """Return an uncompressed TIFF of (H, W) or (H, W, 3) images, each with further SHORT or LONG tags.

    The images after the first are SubIFDs of the first, or the next in the file.
    """
    data = bytearray(struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 0))
    placed: list[tuple[int, int]] = []  # of each directory: its offset and where it points to the next
    children = 0
    for pixels, tags in reversed(images) if sub_directories else images:
        first = sub_directories and len(placed) == len(images) - 1
        offsets = [offset for offset, _ in reversed(placed)] if first else []
        placed.append(_directory(data, pixels, dict(tags), offsets, order))
        if not sub_directories and len(placed) > 1:
            struct.pack_into(f"{order}I", data, placed[-2][1], placed[-1][0])
    children = placed[-1][0] if sub_directories else placed[0][0]
    struct.pack_into(f"{order}I", data, 4, children)
    return bytes(data)


def _directory(
    data: bytearray, pixels: np.ndarray, tags: dict[int, int], children: list[int], order: str
) -> tuple[int, int]:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    strip = len(data)
    data += pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    bits = len(data)
    data += struct.pack(f"{order}{channels}H", *[8 * pixels.itemsize] * channels)
    formats = len(data)
    code = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    data += struct.pack(f"{order}{channels}H", *[code] * channels)
    listed = len(data)
    data += struct.pack(f"{order}{len(children)}I", *children)
    shorts = {258: (channels, bits, tags.get(258, 8 * pixels.itemsize)), 339: (channels, formats, code)}
    entries = {
        256: pixels.shape[1],
        257: pixels.shape[0],
        259: 1,
        262: 1 if channels == 1 else 2,
        273: strip,
        277: channels,
        278: pixels.shape[0],
        279: pixels.nbytes,
        **tags,
    }
    fields = {tag: struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries.items()}
    for tag in (254, 259, 262, 274, 277):
        if tag in entries:
            fields[tag] = struct.pack(f"{order}HHIHH", tag, 3, 1, entries[tag], 0)
    for tag, (count, place, value) in shorts.items():
        field = struct.pack(f"{order}HH", value, 0) if count == 1 else struct.pack(f"{order}I", place)
        fields[tag] = struct.pack(f"{order}HHI", tag, 3, count) + field
    if children:
        value = children[0] if len(children) == 1 else listed
        fields[330] = struct.pack(f"{order}HHII", 330, 4, len(children), value)
    if len(data) % 2:
        data += b"\0"
    offset = len(data)
    data += struct.pack(f"{order}H", len(fields)) + b"".join(fields[tag] for tag in sorted(fields)) + bytes(4)
    return offset, len(data) - 4
