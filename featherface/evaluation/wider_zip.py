"""Annotated images in one zip in the WIDER FACE layout, read from memory within fixed limits.

Somewhere in the zip lie images as EVENT/NAME.jpg and one annotation file named ..._bbx_gt.txt: for each
image its path EVENT/NAME.jpg, the number of faces, and one line per face: x y w h in pixels, then (optional)
blur, expression, illumination, invalid, occlusion, pose. An image without faces has one line of zeros.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import PurePosixPath

import numpy as np

from featherface.config import MAX_BYTES
from featherface.errors import FeatherFaceError
from featherface.evaluation.ground_truth import GroundTruth, height_ground_truth
from featherface.evaluation.image_sets import EncodedImage

__all__ = ["MAX_ZIP_IMAGES", "AnnotatedImages", "WiderZipError", "read_wider_zip"]

MAX_ZIP_IMAGES = 200  # some minutes with both models
_MAX_ENTRIES = 10_000  # files in the zip
_MAX_TEXT_BYTES = 8 * 10**6  # the annotations of all of WIDER FACE val take 2 MB
_ANNOTATIONS = "_bbx_gt.txt"
_MAX_NUMBER = 1e9  # pixels; sums and areas stay finite
_INVALID = 7  # column of the mark that a face is not to be scored


class WiderZipError(FeatherFaceError):
    """A zip cannot be evaluated; the message says why."""


@dataclass(frozen=True, eq=False)
class AnnotatedImages:
    """Images and the faces in them."""

    images: tuple[EncodedImage, ...]
    ground_truth: GroundTruth


def read_wider_zip(data: bytes) -> AnnotatedImages:
    """Read annotations and find the images that they name, without unpacking any.

    Raises WiderZipError.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    except Exception as error:  # zipfile raises nearly every kind of exception on damaged files
        raise WiderZipError("This is not a zip file, or it is damaged.") from error
    if len(entries) > _MAX_ENTRIES:
        raise WiderZipError(f"The zip contains more than {_MAX_ENTRIES:,} files.")
    texts = [name for name in entries if name.endswith(_ANNOTATIONS)]
    if len(texts) != 1:
        raise WiderZipError(
            f"The zip must contain one file named ...{_ANNOTATIONS}; it contains {len(texts)}."
        )
    text = _read(archive, entries[texts[0]], _MAX_TEXT_BYTES)
    files = {"/".join(PurePosixPath(name).parts[-2:]): info for name, info in entries.items()}
    faces = {name: found for name, found in _annotated(text) if name in files}
    if not faces:
        raise WiderZipError("None of the annotated images is in the zip.")
    if all(ignore.all() for _, ignore in faces.values()):
        raise WiderZipError("The annotations contain no face that counts.")
    if len(faces) > MAX_ZIP_IMAGES:
        raise WiderZipError(
            f"The zip contains {len(faces):,} annotated images; the limit is {MAX_ZIP_IMAGES}."
        )
    images = tuple(
        EncodedImage(name, name, partial(_read, archive, files[name], MAX_BYTES)) for name in faces
    )
    return AnnotatedImages(images, height_ground_truth("uploaded", faces))


def _annotated(text: bytes) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Yield each image's name with its boxes (F, 4) x1 y1 x2 y2 and which faces to ignore (F,)."""
    lines = iter(text.decode("utf-8", errors="replace").splitlines())
    for name in lines:
        if not name.strip():
            continue
        try:
            count = int(next(lines))
            if count < 0:
                raise ValueError("a negative number of faces")
            rows = [_numbers(line) for line in islice(lines, max(count, 1))]
        except (StopIteration, ValueError) as error:
            raise WiderZipError(f"The annotations of image {name.strip()[:80]!r} are malformed.") from error
        yield name.strip(), _faces(rows[:count])


def _numbers(line: str) -> list[float]:
    numbers = [float(word) for word in line.split()]
    if len(numbers) < 4 or not (np.abs(numbers) <= _MAX_NUMBER).all():  # NaN fails too
        raise ValueError("a face has four finite numbers or more")
    return numbers


def _faces(rows: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    boxes = np.array([row[:4] for row in rows], np.float64).reshape(-1, 4)
    invalid = np.array([len(row) > _INVALID and row[_INVALID] != 0 for row in rows], bool)
    empty = (boxes[:, 2:] <= 0).any(axis=1)
    boxes[:, 2:] += boxes[:, :2]
    return boxes, invalid | empty


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Unpack one file of at most `limit` bytes, whatever the zip says about its size."""
    try:
        with archive.open(info) as file:
            data = file.read(limit + 1)
    except Exception as error:  # as above
        raise WiderZipError(f"{info.filename[:80]!r} in the zip is damaged or encrypted.") from error
    if len(data) > limit:
        raise WiderZipError(f"{info.filename[:80]!r} in the zip is larger than {limit / 10**6:.0f} MB.")
    return data
