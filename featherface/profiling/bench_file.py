"""Files that `featherface bench --out` writes, on this machine or another, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from featherface.errors import FeatherFaceError, sentence
from featherface.models import MODELS
from featherface.profiling.latency import LatencyResult, TimedPhoto, from_record
from featherface.profiling.machine import Machine

__all__ = ["MAX_BENCH_BYTES", "BenchFileError", "load_bench", "parse_bench"]

MAX_BENCH_BYTES = 5_000_000  # a point of 100 rounds takes 10 kB
_MAX_POINTS = 200
_MAX_ROUNDS = 5_000
_MAX_NUMBER = 2**50
_LONGEST_TEXT = 200  # characters
_LONGEST_MILLISECONDS = 10**7  # of a stage; three hours
_MACHINE_TEXTS = tuple(field.name for field in fields(Machine) if field.type == "str")
_MACHINE_NUMBERS = tuple(field.name for field in fields(Machine) if field.type == "int")
_PHOTO_TEXTS = tuple(field.name for field in fields(TimedPhoto) if field.type == "str")
_PHOTO_NUMBERS = tuple(field.name for field in fields(TimedPhoto) if field.type == "int")
_SETTINGS = ("height", "width", "batch", "threads", "runs", "warmup")


class BenchFileError(FeatherFaceError):
    """A file is not one that `featherface bench --out` writes; the message names it and says why."""


def load_bench(path: Path) -> list[LatencyResult]:
    """Read what `featherface bench --out` wrote; raises BenchFileError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchFileError(f"{path} cannot be read: {error.strerror}.") from error
    return parse_bench(data, path.name)


def parse_bench(data: bytes, name: str) -> list[LatencyResult]:
    """Read the bytes of a file called `name` that `featherface bench --out` wrote.

    Models that are not registered here are left out. Raises BenchFileError.
    """
    if len(data) > MAX_BENCH_BYTES:
        size, limit = len(data) / 1e6, MAX_BENCH_BYTES / 1e6
        raise BenchFileError(sentence(f"{name} has {size:.1f} MB and the limit is {limit:.0f} MB."))
    try:
        points = json.loads(data)["points"]
        if not isinstance(points, list) or not 1 <= len(points) <= _MAX_POINTS:
            raise ValueError(f"'points' is not a list of 1 to {_MAX_POINTS}")
        return [_point(point) for point in points]
    except KeyError as error:
        raise BenchFileError(_message(name, f"the field {error} is missing")) from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BenchFileError(_message(name, error)) from error
    except FeatherFaceError as error:  # impossible settings
        raise BenchFileError(_message(name, error)) from error


def _message(name: str, reason: object) -> str:
    text = str(reason).removesuffix(".")
    return sentence(f"{name} is not a file of `featherface bench --out`: {text}.")


def _point(record: Mapping[str, Any]) -> LatencyResult:
    settings, machine = record["settings"], record["machine"]
    for key in _SETTINGS:
        _whole(settings[key], key)
    for key in _MACHINE_TEXTS:
        _text(machine[key], key)
    for key in _MACHINE_NUMBERS:
        _whole(machine[key], key)
    datetime.fromisoformat(_text(record["when"], "when"))
    _number(record["cpu_share"], "cpu_share", _MAX_NUMBER)
    _text(record["engine_version"], "engine_version")
    if record.get("photo") is not None:  # older files have none
        _check_photo(record["photo"])
    if not isinstance(record["complete"], bool):
        raise TypeError("'complete' is not true or false")
    known = {key: stages for key, stages in record["milliseconds"].items() if key in MODELS}
    if not known:
        raise ValueError(f"it has times of none of {', '.join(MODELS)}")
    _check_times(known)
    return from_record({**record, "milliseconds": known})


def _check_photo(photo: Mapping[str, Any]) -> None:
    for key in _PHOTO_TEXTS:
        _text(photo[key], key)
    for key in _PHOTO_NUMBERS:
        _whole(photo[key], key)


def _check_times(milliseconds: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Raise ValueError unless all models have the same stages and as many rounds."""
    for stages in milliseconds.values():
        for stage, times in stages.items():
            _text(stage, "stage")
            if not isinstance(times, list) or not 2 <= len(times) <= _MAX_ROUNDS:
                raise ValueError(f"{stage!r} does not have 2 to {_MAX_ROUNDS} times")
            for time in times:
                _number(time, stage, _LONGEST_MILLISECONDS)
    names = {tuple(stages) for stages in milliseconds.values()}
    rounds = {len(times) for stages in milliseconds.values() for times in stages.values()}
    if len(names) > 1 or len(rounds) != 1:
        raise ValueError("the models do not have the same stages and rounds")
    for stages in milliseconds.values():
        if not all(map(sum, zip(*stages.values(), strict=True))):
            raise ValueError("a round takes 0 ms")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise TypeError(f"{name!r} is not a line of at most {_LONGEST_TEXT} characters")
    return value


def _whole(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
        raise ValueError(f"{name!r} is not a whole number")


def _number(value: Any, name: str, most: float) -> None:
    wrong = isinstance(value, bool) or not isinstance(value, (int, float))
    if wrong or not isfinite(value) or not 0 <= value <= most:
        raise ValueError(f"{name!r} has {value!r}, which is not a number from 0 to {most:,}")
