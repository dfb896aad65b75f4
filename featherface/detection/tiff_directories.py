"""The directories of a TIFF file, and of the EXIF block in other files: where images are, and which way up.

A TIFF holds one or more images, each with a directory of numbered tags. Source: TIFF 6.0, its supplement 1
(SubIFDs), DNG 1.7 and BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Directory", "directories", "exif_orientation", "full_image", "is_camera_raw", "starting_at"]

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _PLANES, _SUB_DIRECTORIES, _SAMPLE_FORMAT = 274, 277, 284, 330, 339
_WANTED = {
    _SUBFILE,
    _WIDTH,
    _HEIGHT,
    _BITS,
    _COMPRESSION,
    _PHOTOMETRIC,
    _ORIENTATION,
    _SAMPLES,
    _PLANES,
    _SUB_DIRECTORIES,
    _SAMPLE_FORMAT,
}
_KINDS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # BYTE, SHORT, LONG, IFD, LONG8, IFD8
_SHORT = 3
_REDUCED, _MASK = 1, 4  # bits of the subfile type: a smaller version, a transparency mask
_SENSOR = {32803, 34892}  # photometric: one colour per pixel as the sensor has it, or linear sensor data
_RAW_COMPRESSIONS = {32767, 32769, 34713, 34316, 65000, 65535}  # Sony, Epson, Nikon, Pentax and others
_MAX_DIRECTORIES, _MAX_TAGS, _MAX_VALUES = 64, 1_000, 64
_RAW_STARTS = (
    b"FUJIFILMCCD-RAW",
    b"FOVb",  # Sigma
    b"\0MRM",  # Minolta
    b"IIRO",  # Olympus
    b"IIRS",
    b"MMOR",
    b"IIU\0",  # Panasonic
    b"HEAPCCDR",  # Canon
)


@dataclass(frozen=True)
class Directory:
    """What one directory says of its image."""

    offset: int  # bytes from the start of the file
    tags: Mapping[int, tuple[int, ...]]
    children: tuple[int, ...]  # offsets of its SubIFDs
    next: int  # offset of the next directory in the file, 0 for none
    has_short_orientation: bool

    def _value(self, tag: int, default: int) -> int:
        values = self.tags.get(tag, ())
        return values[0] if values else default

    @property
    def width(self) -> int:
        """Width in pixels; 0 if the directory is not one of an image."""
        return self._value(_WIDTH, 0)

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self._value(_HEIGHT, 0)

    @property
    def bits(self) -> int:
        """Bits per sample."""
        return self._value(_BITS, 1)

    @property
    def is_signed(self) -> bool:
        """Whether samples are signed integers."""
        return self._value(_SAMPLE_FORMAT, 1) == 2

    @property
    def compression(self) -> int:
        """How the pixels are compressed; 1 for not at all."""
        return self._value(_COMPRESSION, 1)

    @property
    def is_planar(self) -> bool:
        """Whether each colour channel is stored as an image of its own."""
        return self._value(_PLANES, 1) == 2 and self._value(_SAMPLES, 1) > 1

    @property
    def is_white_zero(self) -> bool:
        """Whether zero stands for white in this grey image."""
        return self._value(_PHOTOMETRIC, 1) == 0

    @property
    def is_reduced(self) -> bool:
        """Whether this is a thumbnail or a mask of another image in the file."""
        return bool(self._value(_SUBFILE, 0) & (_REDUCED | _MASK))

    @property
    def is_sensor_data(self) -> bool:
        """Whether these are values of a camera's sensor, which need developing."""
        return self.compression in _RAW_COMPRESSIONS or self._value(_PHOTOMETRIC, 1) in _SENSOR

    @property
    def has_orientation(self) -> bool:
        """Whether the directory has an orientation of its own."""
        return _ORIENTATION in self.tags

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1 to 8; 1 where none is given as browsers accept it."""
        value = self._value(_ORIENTATION, 1) if self.has_short_orientation else 1
        return value if 1 <= value <= 8 else 1


def directories(data: bytes) -> list[Directory]:
    """Return the directories of a TIFF, each followed by its SubIFDs; an empty list for other files.

    Damaged directories are left out.
    """
    layout = _layout(data)
    if layout is None:
        return []
    order, big = layout
    found: dict[int, Directory] = {}
    waiting = [_integer(data, 8, order, "Q") if big else _integer(data, 4, order, "I")]
    while waiting and len(found) < _MAX_DIRECTORIES:
        offset = waiting.pop(0)
        if offset in found or not 8 <= offset < len(data):
            continue
        directory = _directory(data, offset, order, big=big)
        if directory is not None:
            found[offset] = directory
            waiting = [*directory.children, directory.next, *waiting]
    return list(found.values())


def full_image(found: Iterable[Directory]) -> Directory | None:
    """Return the directory of the photo itself: the first that is not a thumbnail, or a larger SubIFD of it.

    Where everything is marked as a thumbnail, the largest. None if no directory is one of an image.
    """
    images = [directory for directory in found if directory.width > 0 and directory.height > 0]
    whole = [directory for directory in images if not directory.is_reduced]
    if not whole:
        return max(images, key=_area, default=None)
    family = [directory for directory in whole if directory.offset in whole[0].children]
    return max([whole[0], *family], key=_area)


def starting_at(data: bytes, offset: int) -> bytes:
    """Return the same TIFF with the directory at `offset` as its first, the one that readers show."""
    order, big = _layout(data) or ("<", False)
    if big:
        return data[:8] + struct.pack(f"{order}Q", offset) + data[16:]
    return data[:4] + struct.pack(f"{order}I", offset) + data[8:]


def is_camera_raw(data: bytes, found: Iterable[Directory]) -> bool:
    """Say whether a file is a camera's raw file. found: its directories."""
    if data.startswith(_RAW_STARTS) or data[:10] == b"II*\0\x10\0\0\0CR" or data[4:12] == b"ftypcrx ":
        return True
    found = list(found)
    chosen = full_image(found)
    if chosen is not None and chosen.is_sensor_data:
        return True
    return any(directory.is_sensor_data for directory in found) and (chosen is None or chosen.is_reduced)


def exif_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, in an EXIF block without its `Exif` mark; 1 if it has none."""
    layout = _layout(exif)
    if layout is None:
        return 1
    order, big = layout
    directory = _directory(exif, _integer(exif, 4, order, "I"), order, big=big)
    return 1 if directory is None else directory.orientation


def _area(directory: Directory) -> int:
    return directory.width * directory.height


def _layout(data: bytes) -> tuple[str, bool] | None:
    """Return the byte order, for struct, and whether this is a BigTIFF; None for other files."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    version = _integer(data, 2, order, "H")
    return (order, version == 43) if version in (42, 43) else None


def _integer(data: bytes, position: int, order: str, kind: str) -> int:
    size = struct.calcsize(kind)
    return int.from_bytes(data[position : position + size], "little" if order == "<" else "big")


def _directory(data: bytes, offset: int, order: str, *, big: bool) -> Directory | None:
    """Read the directory at `offset`; None for one that ends behind the file or contradicts itself."""
    count_kind, count_size, entry_size = ("Q", 8, 20) if big else ("H", 2, 12)
    count = _integer(data, offset, order, count_kind)
    end = offset + count_size + count * entry_size
    if count > _MAX_TAGS or end > len(data):
        return None
    tags: dict[int, tuple[int, ...]] = {}
    short_orientation = False
    for position in range(offset + count_size, end, entry_size):
        tag, kind = struct.unpack_from(f"{order}HH", data, position)
        if tag in tags:  # readers differ in which of two they believe
            return None
        if tag in _WANTED and kind in _KINDS:
            tags[tag] = _values(data, position, kind, order, big=big)
            short_orientation |= tag == _ORIENTATION and kind == _SHORT
    following = _integer(data, end, order, "Q" if big else "I")
    return Directory(offset, tags, tags.get(_SUB_DIRECTORIES, ()), following, short_orientation)


def _values(data: bytes, position: int, kind: int, order: str, *, big: bool) -> tuple[int, ...]:
    count = _integer(data, position + 4, order, "Q" if big else "I")
    field = position + (12 if big else 8)
    size = struct.calcsize(_KINDS[kind])
    kept = min(count, _MAX_VALUES)
    if count * size > (8 if big else 4):
        field = _integer(data, field, order, "Q" if big else "I")
    if field + kept * size > len(data):
        return ()
    return struct.unpack_from(f"{order}{kept}{_KINDS[kind]}", data, field)
