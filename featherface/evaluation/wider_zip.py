"""Annotated images in one zip in the WIDER FACE layout, read from memory within fixed limits.

Somewhere in the zip lie images as EVENT/NAME.jpg and one annotation file named ..._bbx_gt.txt: for each
image its path EVENT/NAME.jpg, the number of faces, and one line per face: x y w h in pixels, then (optional)
blur, expression, illumination, invalid, occlusion, pose. An image without faces has one line of zeros.

Zips of other systems are read too: Finder's own files are passed over, paths may have backslashes or further
folders, accents may be composed or not, and the annotations may begin with a byte-order mark or separate
numbers by commas.
"""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from featherface.config import MAX_BYTES
from featherface.errors import FeatherFaceError
from featherface.evaluation.ground_truth import GroundTruth, height_ground_truth
from featherface.evaluation.image_sets import EncodedImage

__all__ = ["MAX_ZIP_IMAGES", "AnnotatedImages", "WiderZipError", "read_annotations", "read_wider_zip"]

MAX_ZIP_IMAGES = 200  # some minutes with both models
_MAX_ENTRIES = 10_000  # files in the zip
_MAX_TEXT_BYTES = 8 * 10**6  # the annotations of all of WIDER FACE val take 2 MB
_ANNOTATIONS = "_bbx_gt.txt"
_MAX_NUMBER = 1e9  # pixels; sums and areas stay finite
_SEPARATORS = re.compile("[,;]")  # of numbers, besides white space
_ENDING_PARTS = 3  # of a path, by which annotations and files are matched
_INVALID = 7  # column of the mark that a face is not to be scored

_Path = tuple[str, ...]  # the parts of a path


class WiderZipError(FeatherFaceError):
    """A zip cannot be evaluated; the message says why."""


@dataclass(frozen=True, eq=False)
class AnnotatedImages:
    """Images and the faces in them.

    absent: names of annotated images that the zip does not contain.
    """

    images: tuple[EncodedImage, ...]
    ground_truth: GroundTruth
    absent: tuple[str, ...] = ()


def read_wider_zip(data: bytes) -> AnnotatedImages:
    """Read annotations and find the images that they name, without unpacking any.

    Raises WiderZipError.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = {_path(info.filename): info for info in archive.infolist() if not info.is_dir()}
    except Exception as error:  # zipfile raises nearly every kind of exception on damaged files
        raise WiderZipError("This is not a zip file, or it is damaged.") from error
    if len(entries) > _MAX_ENTRIES:
        raise WiderZipError(f"The zip contains more than {_MAX_ENTRIES:,} files.")
    entries = {path: info for path, info in entries.items() if not _is_metadata(path)}
    texts = [path for path in entries if path[-1].lower().endswith(_ANNOTATIONS)]
    if len(texts) != 1:
        raise WiderZipError(
            f"The zip must contain one file named ...{_ANNOTATIONS}; it contains {len(texts)}."
        )
    text = _read(archive, entries.pop(texts[0]), _MAX_TEXT_BYTES)
    by_ending = _by_ending(entries)
    files: dict[str, zipfile.ZipInfo] = {}
    faces: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    absent: list[str] = []
    annotated = dict(read_annotations(text))
    names = Counter(_path(name)[-1] for name in annotated)
    for name, found in annotated.items():
        entry = _entry_of(name, by_ending, by_name_alone=names[_path(name)[-1]] == 1)
        if entry is None:
            absent.append(name)
        else:
            files[name], faces[name] = entries[entry], found
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
    return AnnotatedImages(images, height_ground_truth("uploaded", faces), tuple(absent))


def _path(name: str) -> _Path:
    """Return the parts of a path with slashes or backslashes; accents become single letters."""
    parts = unicodedata.normalize("NFC", name.strip()).replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", ".")) or ("",)


def _is_metadata(path: _Path) -> bool:
    """Say whether a file is one that Finder or another system adds to zips."""
    return "__MACOSX" in path or path[-1].startswith(".")


def _by_ending(paths: Iterable[_Path]) -> dict[_Path, _Path | None]:
    """Return the path for each ending of one to three parts; None where two paths end so."""
    found: dict[_Path, _Path | None] = {}
    for path in paths:
        for count in range(1, min(len(path), _ENDING_PARTS) + 1):
            ending = path[-count:]
            found[ending] = None if ending in found else path
    return found


def _entry_of(name: str, by_ending: Mapping[_Path, _Path | None], *, by_name_alone: bool) -> _Path | None:
    """Return the file in the zip that an annotation means: the one with the longest ending in common.

    by_name_alone: whether it may lie in another folder than the annotation says.
    """
    path = _path(name)
    fewest = 1 if by_name_alone or len(path) == 1 else 2
    for count in range(min(len(path), _ENDING_PARTS), fewest - 1, -1):
        if path[-count:] in by_ending:
            return by_ending[path[-count:]]
    return None


def read_annotations(text: bytes) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Yield each image's name with its boxes (F, 4) x1 y1 x2 y2 and which faces to ignore (F,).

    Raises WiderZipError.
    """
    encoding = "utf-16" if text.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    lines = iter(text.decode(encoding, errors="replace").splitlines())
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
        yield "/".join(_path(name)), _faces(rows[:count])


def _numbers(line: str) -> list[float]:
    numbers = [float(word) for word in _SEPARATORS.sub(" ", line).split()]
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
