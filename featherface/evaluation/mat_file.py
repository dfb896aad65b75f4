"""A strict reader of MATLAB 5 files (.mat): on a damaged file, `scipy.io.loadmat` can crash the interpreter.

It reads what ground truth files hold: cell arrays, text and real numbers, compressed or not. Every length in
the file is checked against the bytes that are left. Source: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from math import prod
from typing import TypeAlias

import numpy as np

from featherface.errors import FeatherFaceError

__all__ = ["MatFileError", "MatValue", "read_mat"]

MatValue: TypeAlias = (
    "np.ndarray | str | list[MatValue]"  # numbers (2-D or more), text, or a cell array's cells
)

_HEADER_BYTES = 128
_VERSION = b"\x00\x01IM"  # level 5, little-endian
_MATRIX, _COMPRESSED = 14, 15  # data types of elements
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "<i2",
    4: "<u2",
    5: "<i4",
    6: "<u4",
    7: "<f4",
    9: "<f8",
    12: "<i8",
    13: "<u8",
}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
_CELL, _CHARACTERS = 1, 4  # classes of arrays
_NUMERIC = range(6, 16)  # double, single, int8 to uint64
_COMPLEX = 0x0800  # flag of an array
_MAX_BYTES = 64 * 2**20  # of one variable, unpacked; WIDER FACE's lists take 2 MB
_EMPTY_CELL = np.zeros((0, 0))
_MAX_DEPTH = 8  # cells in cells; WIDER FACE has 2


class MatFileError(FeatherFaceError):
    """The bytes are not a MATLAB 5 file that can be read; the message says why."""


def read_mat(data: bytes, names: Collection[str]) -> dict[str, MatValue]:
    """Return the variables `names` of a MATLAB 5 file; a cell array is a list, column by column.

    Raises `MatFileError` for a damaged file and for an absent variable.
    """
    if len(data) < _HEADER_BYTES or data[124:_HEADER_BYTES] != _VERSION:
        raise MatFileError("it is not a little-endian MATLAB 5 file")
    variables = {}
    for kind, content in _elements(memoryview(data)[_HEADER_BYTES:]):
        if kind == _COMPRESSED:
            kind, content = _only(_elements(memoryview(_unpacked(content))))
        name = _variable_name(kind, content)
        if name in names:
            variables[name] = _array(kind, content, 0)
    absent = [name for name in names if name not in variables]
    if absent:
        raise MatFileError(f"it has no variable {absent[0]!r}")
    return variables


def _unpacked(content: memoryview) -> bytes:
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(content, _MAX_BYTES)
    except zlib.error as error:
        raise MatFileError("a compressed variable is damaged") from error
    if not stream.eof:
        raise MatFileError("a compressed variable is truncated or too large")
    return data


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the type and content of each element; elements other than compressed ones start at 8 bytes."""
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            raise MatFileError("the last element is truncated")
        kind, size = struct.unpack_from("<II", data, position)
        if kind >> 16:  # a small element: size and type share a word, and the content is the next
            kind, size, start, end = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        else:
            start = position + 8
            end = start + size if kind == _COMPRESSED else start + -(-size // 8) * 8
        if start + size > len(data) or size > end - start:
            raise MatFileError("an element is longer than the file")
        yield kind, data[start : start + size]
        position = end


def _only(elements: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    found = next(elements, None)
    if found is None or next(elements, None) is not None:
        raise MatFileError("a compressed variable is not one array")
    return found


def _variable_name(kind: int, content: memoryview) -> str:
    if kind != _MATRIX:
        raise MatFileError(f"an element of type {kind} is not an array")
    parts = _elements(content)
    _next(parts)  # flags
    _next(parts)  # size
    return _characters(parts)


def _array(kind: int, content: memoryview, depth: int) -> MatValue:
    if kind != _MATRIX:
        raise MatFileError(f"an element of type {kind} is not an array")
    if depth > _MAX_DEPTH:
        raise MatFileError("cells are nested too deeply")
    if not content:
        return _EMPTY_CELL
    parts = _elements(content)
    flags = _numbers(parts)
    shape = tuple(int(length) for length in _numbers(parts))
    if len(flags) != 2 or len(shape) < 2 or min(shape) < 0:
        raise MatFileError("an array has no valid size")
    _characters(parts)  # its name
    kind_of_array, is_complex = int(flags[0]) & 0xFF, int(flags[0]) & _COMPLEX
    if kind_of_array == _CELL:
        return _cells(parts, prod(shape), depth)
    if kind_of_array == _CHARACTERS and (shape[0] == 1 or 0 in shape):
        return _characters(parts)
    if kind_of_array not in _NUMERIC or is_complex:
        raise MatFileError(
            f"an array of class {kind_of_array} is neither cells, real numbers nor a line of text"
        )
    values = _numbers(parts)
    if len(values) != prod(shape):
        raise MatFileError(f"an array of {prod(shape)} numbers contains {len(values)}")
    return values.reshape(shape, order="F")


def _cells(parts: Iterator[tuple[int, memoryview]], count: int, depth: int) -> list[MatValue]:
    cells = [_array(kind, content, depth + 1) for kind, content in parts]
    if len(cells) != count:
        raise MatFileError(f"a cell array of {count} cells contains {len(cells)}")
    return cells


def _numbers(parts: Iterator[tuple[int, memoryview]]) -> np.ndarray:
    kind, content = _next(parts)
    if kind not in _NUMBERS or len(content) % np.dtype(_NUMBERS[kind]).itemsize:
        raise MatFileError(f"an element of type {kind} and {len(content)} bytes is not numbers")
    return np.frombuffer(content, _NUMBERS[kind])


def _characters(parts: Iterator[tuple[int, memoryview]]) -> str:
    kind, content = _next(parts)
    if kind not in _TEXT:
        raise MatFileError(f"an element of type {kind} is not text")
    try:
        return bytes(content).decode(_TEXT[kind])
    except UnicodeDecodeError as error:
        raise MatFileError("a text is damaged") from error


def _next(parts: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    found = next(parts, None)
    if found is None:
        raise MatFileError("an array is truncated")
    return found
