"""Bad and odd images, made here, and what counts as one clear sentence."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms

from featherface.config import MAX_PIXELS
from featherface.detection.images import ImageError, decode_photo

__all__ = [
    "Trap",
    "bombs",
    "encoded",
    "is_sentence",
    "measured_peaks",
    "noise",
    "odd_images",
    "refused_files",
    "zipped",
]

_MOST = 700  # characters of a sentence; one that names two long paths comes near it


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.sentinel, "executed")


def is_sentence(message: str) -> bool:
    """Whether a message is fit for people: one printable line that ends with a full stop."""
    tidy = message.isprintable() and message.endswith(".") and 10 < len(message) < _MOST
    return tidy and "Traceback" not in message


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return an image as a file of one format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int, height: int) -> Image.Image:
    """Return an image in which an untrained network finds plenty."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def zipped(members: dict[str, bytes | str], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of files by name."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


@cache
def odd_images() -> dict[str, bytes | np.ndarray]:
    """Return images that are unusual, and fine."""
    image = noise(48, 32)
    animation = {"save_all": True, "append_images": [image.rotate(180)]}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = np.asarray(image.convert("L"))
    blue_first = np.asarray(image)[:, :, ::-1].astype(np.uint16)
    return {
        "1 x 1": encoded(noise(1, 1), "PNG"),
        "1 x 30,000": encoded(noise(1, 30_000), "PNG"),
        "30,000 x 1": encoded(noise(30_000, 1), "JPEG"),
        "65,500 x 1": encoded(noise(65_500, 1), "PNG"),
        "16 bits": encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        "16 bits, colour": cv2.imencode(".png", blue_first * 257)[1].tobytes(),
        "CMYK": encoded(image.convert("CMYK"), "JPEG"),
        "CMYK, profile of RGB": encoded(image.convert("CMYK"), "JPEG", icc_profile=profile),
        "palette": encoded(image.quantize(16), "PNG"),
        "palette with a clear colour": encoded(image.quantize(16), "GIF", transparency=3),
        "alpha": encoded(image.convert("RGBA"), "WEBP"),
        "one bit": encoded(image.convert("1"), "TIFF", compression="group4"),
        "animated GIF": encoded(image, "GIF", **animation),
        "animated PNG": encoded(image, "PNG", **animation),
        "animated WebP": encoded(image, "WEBP", **animation),
        "broken profile, JPEG": encoded(image, "JPEG", icc_profile=profile[:200]),
        "broken profile, PNG": encoded(image, "PNG", icc_profile=b"no profile at all"),
        "broken profile, CMYK": encoded(image.convert("CMYK"), "JPEG", icc_profile=profile[:200]),
        "zip behind a JPEG": encoded(image, "JPEG") + zipped({"a": "b"}),
        "float64": np.asarray(image) / 255.0,
        "float16": grey.astype(np.float16),
        "float32 below nought": grey.astype(np.float32) - 128,
        "int64": np.asarray(image).astype(np.int64),
        "Fortran order": np.asfortranarray(np.asarray(image)),
        "big-endian": grey.astype(">u2"),
        "one column": np.zeros((30_000, 1, 3), np.uint8),
    }


def refused_files(sentinel: Path) -> dict[str, bytes | np.ndarray]:
    """Return what is no image; unpickling one of them would write `sentinel`."""
    image = np.asarray(noise(48, 32))
    spotted = image / 255.0
    spotted[5, 5] = np.inf
    return {
        "no bytes": b"",
        "zero bytes": bytes(10_000),
        "PNG signature and zeros": b"\x89PNG\r\n\x1a\n" + bytes(10_000),
        "AVIF": encoded(noise(8, 8), "AVIF"),
        "HEIC": b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heicmiaf" + bytes(500),
        "SVG": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        "SVG with an entity of its own": b"<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><svg>&a;</svg>",
        "zip": zipped({"photo.jpg": encoded(noise(8, 8), "JPEG")}),
        "pickle": pickle.dumps(Trap(sentinel)),
        "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n("
        + bytes(str(sentinel), "utf-8")
        + b") run",
        "icon": encoded(noise(16, 16), "ICO"),
        "all NaN": np.full((8, 8, 3), np.nan),
        "one infinite pixel": spotted,
        "NaN in a TIFF": encoded(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"),
        "five channels": np.zeros((8, 8, 5), np.uint8),
        "channels first": np.zeros((3, 8, 9), np.uint8),
        "no dimensions": np.array(7),
        "a batch": image[None],
        "text": np.full((4, 4), "a"),
        "objects": np.full((4, 4), None),
        "dates": np.zeros((4, 4), "datetime64[s]"),
        "records": np.zeros((4, 4), [("red", "u1"), ("green", "u1")]),
        "no rows": np.zeros((0, 4, 3), np.uint8),
        "a huge view of one byte": np.broadcast_to(np.uint8(7), (60_000, 60_000)),
    }


@cache
def bombs(side: int = 20_000) -> dict[str, bytes]:
    """Return small files of `side` x `side` pixels and more, most with all the pixels they promise."""
    rows = zlib.compress(bytes(100 * (1 + 3 * side)), 1)
    small = noise(8, 8)
    webp, lossless = encoded(small, "WEBP"), encoded(small, "WEBP", lossless=True)
    animation = encoded(small, "WEBP", save_all=True, append_images=[small.rotate(180)])
    jp2, codestream = encoded(small, "JPEG2000"), encoded(small, "JPEG2000", no_jp2=True)
    sides = struct.pack(">II", side, side)
    webp_side = 2**14 - 1  # the most that a frame can say
    return {
        "PNG": _png(side, side, rows),
        "PNG, header alone": _png(side, side, b""),
        "PNG, 2^31 - 1 a side": _png(2**31 - 1, 2**31 - 1, rows),
        "PNG, text of 30 MB": _png(side, side, rows, text=zlib.compress(bytes(30 * 2**20), 1)),
        "GIF": b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + _gif_frame(side),
        "GIF, small screen": b"GIF89a"
        + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0)
        + bytes(6)
        + _gif_frame(side),
        "TIFF": _tiff(side),
        "BMP": b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0),
        "JPEG": _claiming(struct.pack(">HH", side, side), encoded(small, "JPEG"), b"\xff\xc0", 3),
        "PPM": b"P6 %d %d 255 " % (side, side),
        "WebP": _claiming(struct.pack("<HH", webp_side, webp_side), webp, b"\x9d\x01\x2a", 0),
        "WebP, lossless": _claiming(struct.pack("<I", (webp_side - 1) * (1 + 2**14)), lossless, b"VP8L", 5),
        "WebP, animated": _claiming(2 * (side - 1).to_bytes(3, "little"), animation, b"VP8X", 8),
        "JPEG 2000": _claiming(sides, jp2, b"ihdr", 0),
        "JPEG 2000, codestream": _claiming(sides + bytes(8) + sides, codestream, b"\xff\x51", 4),
    }


def _png(width: int, height: int, pixels: bytes, text: bytes | None = None) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    comment = b"" if text is None else chunk(b"zTXt", b"Comment\0\0" + text)
    return b"\x89PNG\r\n\x1a\n" + header + comment + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _gif_frame(side: int) -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x4c\x01\x00;"


def _tiff(side: int) -> bytes:
    entries = [
        (256, 4, side),
        (257, 4, side),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (279, 4, 9),
    ]
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4)


def _claiming(size: bytes, data: bytes, mark: bytes, skip: int) -> bytes:
    """Return an image file with another size written `skip` bytes behind a mark in its header."""
    start = data.index(mark) + len(mark) + skip
    return data[:start] + size + data[start + len(size) :]


def measured_peaks() -> tuple[int, int]:
    """Return by how much memory peaks over all bombs, and over the largest photo allowed, in bytes."""
    side = int(MAX_PIXELS**0.5)
    largest = encoded(Image.new("RGB", (side, side)), "PNG", compress_level=1)
    files = bombs().values()
    return _peak(lambda: [_attempt(data) for data in files]), _peak(lambda: decode_photo(largest))


def _attempt(data: bytes) -> None:
    with suppress(ImageError):
        decode_photo(data)


def _peak(work: Callable[[], object]) -> int:
    """Return by how much the process's resident memory peaks above where it stands, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # starts the peak anew
    before = _resident("VmRSS")
    work()
    return _resident("VmHWM") - before


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))
