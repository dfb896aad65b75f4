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
    """List the images of a folder laid out as EVENT/NAME.jpg; raises `ImageSetError` for none."""
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise ImageSetError(f"{folder} holds no images named EVENT/NAME.jpg.")
    return [EncodedImage(path.relative_to(folder).as_posix(), str(path), path.read_bytes) for path in paths]


def manifest_images(records: Sequence[Record]) -> list[EncodedImage]:
    """List the images of manifest records; raises `ImageSetError` where two have one name."""
    images: dict[str, EncodedImage] = {}
    for record in records:
        name = image_name(record)
        if name in images:
            raise ImageSetError(f"{record.origin}: the image {name} appears twice.")
        images[name] = EncodedImage(name, record.origin, partial(read_image_bytes, record))
    return list(images.values())
