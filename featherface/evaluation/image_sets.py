"""The pictures that a detector is evaluated on: a WIDER FACE folder or the records of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from featherface.errors import FeatherFaceError
from featherface.evaluation.ground_truth import picture_name
from featherface.evaluation.manifest import Record, open_picture_bytes

__all__ = ["Picture", "PicturesError", "folder_pictures", "manifest_pictures"]

_SUFFIXES = (".jpg", ".jpeg", ".png")


class PicturesError(FeatherFaceError):
    """Pictures are absent or unreadable; the message names them."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture to be read when its turn comes."""

    name: str  # under which it is predicted and scored
    origin: str  # the file, or the manifest's file and line, for error messages
    read: Callable[[], bytes]


def folder_pictures(folder: Path) -> list[Picture]:
    """List the pictures of a folder laid out as EVENT/NAME.jpg; raises `PicturesError` for none."""
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise PicturesError(f"{folder} holds no pictures as EVENT/NAME.jpg.")
    return [Picture(path.relative_to(folder).as_posix(), str(path), path.read_bytes) for path in paths]


def manifest_pictures(records: Sequence[Record]) -> list[Picture]:
    """List the pictures of manifest records; raises `PicturesError` where two have one name."""
    pictures: dict[str, Picture] = {}
    for record in records:
        name = picture_name(record)
        if name in pictures:
            raise PicturesError(f"{record.origin}: the picture {name} comes a second time.")
        pictures[name] = Picture(name, record.origin, partial(open_picture_bytes, record))
    return list(pictures.values())
