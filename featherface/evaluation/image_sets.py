"""The images that a detector is evaluated on: a WIDER FACE folder or the records of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from featherface.errors import FeatherFaceError
from featherface.evaluation.ground_truth import image_name
from featherface.evaluation.manifest import Record, read_image_bytes

__all__ = ["EncodedImage", "ImageSetError", "folder_images", "manifest_images"]

_SUFFIXES = (".jpg", ".jpeg", ".png")


class ImageSetError(FeatherFaceError):
    """Images are absent or unreadable; the message names them."""


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image that is read on demand."""

    name: str  # under which it is predicted and scored
    origin: str  # the file, or the manifest's file and line, for error messages
    read: Callable[[], bytes]


def folder_images(folder: Path) -> list[EncodedImage]:
    """List the images of a folder laid out as EVENT/NAME.jpg, however deep in it the events lie.

    Hidden files, and those that Finder adds to archives, are left out. Raises `ImageSetError` for a folder
    without images, or with two of one name.
    """
    images: dict[str, EncodedImage] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if hidden or len(parts) < 2 or path.suffix.lower() not in _SUFFIXES or path.is_dir():
            continue
        name = "/".join(parts[-2:])
        if name in images:
            raise ImageSetError(f"{folder} holds {name} twice; pass the folder that holds the events.")
        images[name] = EncodedImage(name, str(path), path.read_bytes)
    if not images:
        raise ImageSetError(f"{folder} contains no images named EVENT/NAME.jpg.")
    return list(images.values())


def manifest_images(records: Sequence[Record]) -> list[EncodedImage]:
    """List the images of manifest records; raises `ImageSetError` where two have one name."""
    images: dict[str, EncodedImage] = {}
    for record in records:
        name = image_name(record)
        if name in images:
            raise ImageSetError(f"{record.origin}: the image {name} appears twice.")
        images[name] = EncodedImage(name, record.origin, partial(read_image_bytes, record))
    return list(images.values())
