"""Damage of many kinds to files. A case is known by its number: the same number gives the same file again."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from random import Random

__all__ = ["HOSTILE_TEXTS", "mutated", "mutated_json"]

_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFF)
_LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_WORDS = (
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"null", b"true", b"[]", b"{}", b'""', b"\n", b"\0", b" "),
    *(
        b"9" * 30,
        b"9" * 5000,
        b"[" * 3000,
        b'{"a":' * 3000,
        b'"\\ud800"',
        b'"\\u0000"',
        b'"\\n"',
        b"\xff\xfe",
    ),
)
HOSTILE_TEXTS = (
    *("", " ", "nan", "-inf", "1e999", "-1", "0x10", "9" * 400, "true", "null", "[]", "a,b", "\0", "\u202e"),
    *("../../etc/passwd", "<script>alert(1)</script>", "${7*7}", "%00", "'; drop table", "x" * 5000),
)
_VALUES = (
    *(None, True, 0, -1, 0.5, 1e308, -1e308, float("nan"), float("inf"), 10**30, 10**400, "", "a", "7"),
    *(
        "\ud800",
        "\0",
        "two\nlines",
        "x" * 5000,
        "../../etc/passwd",
        [],
        {},
        [[]],
        [None],
        [1, 2, 3],
        {"a": 1},
    ),
)


def mutated(files: Sequence[bytes], number: int) -> bytes:
    """Return one of `files` with one to four damages; a splice takes its other half from another of them."""
    chance = Random(number)
    data = bytearray(chance.choice(files))
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        damage = chance.choice((_flip, _set, _delete, _insert, _repeat, _truncate, _length, _word))
        damage(data, chance)
        if chance.random() < 0.1:
            other = chance.choice(files)
            data[_place(data, chance) :] = other[_place(other, chance) :]
    return bytes(data)


def mutated_json(document: object, number: int) -> object:
    """Return a copy of `document` in which one value, of any depth, is another, is gone or comes twice."""
    chance = Random(number)
    copy = json.loads(json.dumps(document))
    places = list(_places([copy]))
    holder, key = chance.choice(places)
    action = chance.random()
    if action < 0.15:
        del holder[key]
    elif action < 0.25 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif action < 0.35:
        holder[key] = [holder[key]]
    elif action < 0.5:
        other, place = chance.choice(places)
        holder[key] = json.loads(json.dumps(other[place]))
    else:
        holder[key] = chance.choice(_VALUES)
    root = places[0][0]
    return root[0] if root else None


def _places(holder: list | dict) -> list[tuple[list | dict, object]]:
    """Return every place in which a value stands, as what holds it and its index or name there."""
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    found = [(holder, key) for key in keys]
    for key in keys:
        if isinstance(holder[key], (list, dict)):
            found += _places(holder[key])
    return found


def _place(data: bytes | bytearray, chance: Random) -> int:
    """Return an index, in the first bytes, where headers are, as often as in all the others."""
    end = len(data) if chance.random() < 0.5 else min(len(data), 64)
    return chance.randrange(end) if end else 0


def _flip(data: bytearray, chance: Random) -> None:
    if data:
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: Random) -> None:
    if data:
        data[_place(data, chance)] = chance.choice((*_BYTES, chance.randrange(256)))


def _delete(data: bytearray, chance: Random) -> None:
    start = _place(data, chance)
    del data[start : start + chance.choice((1, 2, 4, 16, 256))]


def _insert(data: bytearray, chance: Random) -> None:
    start = _place(data, chance)
    data[start:start] = chance.randbytes(chance.choice((1, 2, 4, 16, 256)))


def _repeat(data: bytearray, chance: Random) -> None:
    start = _place(data, chance)
    data[start:start] = data[start : start + chance.choice((1, 4, 16, 256))] * chance.choice((1, 1, 8, 64))


def _truncate(data: bytearray, chance: Random) -> None:
    del data[_place(data, chance) :]


def _length(data: bytearray, chance: Random) -> None:
    """Overwrite what may be a length, a count or an offset."""
    start, form = _place(data, chance), chance.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
    value = chance.choice((*_LENGTHS, len(data), len(data) - start))
    size = struct.calcsize(form)
    data[start : start + size] = struct.pack(form, value & (256**size - 1))


def _word(data: bytearray, chance: Random) -> None:
    start, word = _place(data, chance), chance.choice(_WORDS)
    end = start if chance.random() < 0.5 else start + len(word)
    data[start:end] = word
