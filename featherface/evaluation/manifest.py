"""Manifests of images packed in zips: one JSON record per line, read by the evaluator and the trainer."""

from __future__ import annotations

import json
import os
import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from featherface.config import MAX_DIMENSION
from featherface.errors import FeatherFaceError, sentence

__all__ = ["ManifestError", "Record", "read_image_bytes", "read_manifest", "require_size"]


class ManifestError(FeatherFaceError):
    """A manifest or one of its images cannot be read; the message names the file and the line."""


@dataclass(frozen=True, eq=False)
class Record:
    """One image and its faces.

    `boxes` (F, 4) float32, x1 y1 x2 y2 in pixels of the packed image; `scores` (F,) float32 in 0..1, the
    certainty of each label (1 unless a detector made it); `ignore` (F,) bool, True for faces that do not
    count: too small, invalid or uncertain; `landmarks` (F, 5, 2) float32, x y in pixels, NaN where a face
    has none.
    """

    image: str  # the image's path inside its zip
    width: int  # pixels of the upright image
    height: int  # pixels of the upright image
    source: str
    boxes: np.ndarray
    scores: np.ndarray
    ignore: np.ndarray
    landmarks: np.ndarray
    landmark_source: str  # who set the landmarks: people, or another detector
    wider_name: str | None  # EVENT/NAME.jpg, the key in the official WIDER FACE ground truth
    archive: Path  # the zip or folder that holds the image
    origin: str  # "FILE, line N", for error messages


def read_manifest(path: Path, source: str | None = None) -> list[Record]:
    """Read the records of `path`, or only those of one `source`.

    The images of a source lie in `STEM-SOURCE.zip` beside the manifest `STEM.jsonl`. Zips of other systems
    are read too: paths may have backslashes or further folders, and accents may be composed or not. Raises
    `ManifestError` for an unreadable file, a malformed record, a box outside its image and an image that the
    zip lacks.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(sentence(f"{path} cannot be read as a manifest: {error}.")) from error
    records = [
        _record(line, path, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()
    ]
    sources = sorted({record.source for record in records})
    if source is not None:
        records = [record for record in records if record.source == source]
    if not records:
        wanted = "images" if source is None else f"images of the source {source!r}"
        known = ", ".join(sources) or "none"
        raise ManifestError(sentence(f"{path} has no {wanted}; its sources are: {known}."))
    for record in records:
        if _member(record) is None:
            raise ManifestError(sentence(f"{record.origin}: {record.archive} has no image {record.image}."))
    return records


def read_image_bytes(record: Record) -> bytes:
    """Return the encoded image (JPEG, PNG) of `record`, read straight from its zip or folder."""
    try:
        if record.archive.is_dir():
            return (record.archive / record.image).read_bytes()
        return _archive(record.archive, os.getpid()).read(_member(record) or record.image)
    except Exception as error:  # zipfile raises nearly every kind of exception on damaged files
        raise ManifestError(
            sentence(f"{record.origin}: {record.image} in {record.archive}: {error}.")
        ) from error


def require_size(record: Record, width: int, height: int) -> None:
    """Raise ManifestError unless `record` says the size that its decoded, upright image has."""
    if (record.width, record.height) != (width, height):
        raise ManifestError(
            f"{record.origin}: {record.image} has {width} x {height} pixels when it is upright, but its "
            f"record says {record.width} x {record.height}; correct the size, and the boxes with it."
        )


@lru_cache(maxsize=32)
def _archive(path: Path, process: int) -> zipfile.ZipFile:
    # An open file's position is shared with forked children, hence one handle per `process`.
    return zipfile.ZipFile(path)


@lru_cache(maxsize=32)
def _members(path: Path) -> dict[tuple[str, ...], str | None]:
    """Return the names of a zip's members by each ending of their path; None for an ending of several."""
    members: dict[tuple[str, ...], str | None] = {}
    with zipfile.ZipFile(path) as archive:
        paths = {_parts(name): name for name in archive.namelist()}
    for parts, name in paths.items():
        if parts[0] == "__MACOSX":  # Finder's notes on files of the same names
            continue
        for start in range(1, len(parts)):
            members[parts[start:]] = None if parts[start:] in members else name
    return {**members, **paths}


def _parts(name: str) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", name).replace("\\", "/").split("/"))


def _member(record: Record) -> str | None:
    """Return the name that the record's image has in its zip; None if it has none."""
    try:
        return _members(record.archive).get(_parts(record.image))
    except Exception as error:  # as above
        raise ManifestError(
            sentence(f"{record.origin}: {record.archive} cannot be opened: {error}.")
        ) from error


def _record(line: str, path: Path, origin: str) -> Record:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise TypeError("a record is a JSON object")
        with np.errstate(over="raise"):  # numbers that float32 cannot hold
            record = _parsed(fields, path, origin)
    except KeyError as error:
        raise ManifestError(f"{origin}: the record has no {error.args[0]!r}.") from error
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ManifestError(sentence(f"{origin}: {error}.")) from error
    _check(record)
    return record


def _parsed(fields: Mapping[str, Any], path: Path, origin: str) -> Record:
    boxes = np.array(fields["boxes"] or np.zeros((0, 4)), np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError("boxes are not lists of four numbers")
    width, height = int(fields["width"]), int(fields["height"])
    if not 1 <= min(width, height) <= max(width, height) <= MAX_DIMENSION:
        raise ValueError(f"{width} x {height} is not a valid image size")
    ignore = np.array(fields.get("ignore", [False] * len(boxes)), bool)
    if ignore.ndim != 1:
        raise ValueError("ignore is not a list")
    scores = np.array(fields.get("scores", [1.0] * len(boxes)), np.float32)
    if scores.ndim != 1 or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores is not a list of numbers from 0 to 1")
    wider_name = fields.get("wider_name")
    if not isinstance(wider_name, str | None):
        raise TypeError("wider_name is not text")
    nothing = [np.nan] * 10
    landmarks = [nothing if points is None else points for points in fields.get("landmarks") or []]
    return Record(
        image=str(fields["image"]),
        width=width,
        height=height,
        source=str(fields["source"]),
        boxes=boxes,
        scores=scores,
        ignore=ignore,
        landmarks=np.array(landmarks or [nothing] * len(boxes), np.float32).reshape(-1, 5, 2),
        landmark_source=str(fields.get("landmark_source", "none")),
        wider_name=wider_name,
        archive=path.with_name(f"{path.stem}-{fields['source']}.zip"),
        origin=origin,
    )


def _check(record: Record) -> None:
    boxes = record.boxes
    if not len(boxes) == len(record.scores) == len(record.ignore) == len(record.landmarks):
        raise ManifestError(f"{record.origin}: boxes, scores, ignore and landmarks differ in length.")
    right_bottom = np.array([record.width, record.height], np.float32)
    inside = (boxes[:, :2] >= 0) & (boxes[:, 2:] <= right_bottom) & (boxes[:, :2] < boxes[:, 2:])
    wrong = ~inside.all(axis=1) & ~record.ignore  # WIDER FACE marks a few empty boxes as invalid
    if wrong.any():
        box = boxes[wrong.argmax()].tolist()
        raise ManifestError(
            f"{record.origin}: the box {box} is empty or outside the {record.width} x {record.height} image."
        )
