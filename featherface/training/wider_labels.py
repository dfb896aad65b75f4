"""WIDER FACE labels with landmarks: the `label.txt` published with RetinaFace (arXiv:1905.00641)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from featherface.errors import sentence
from featherface.evaluation.manifest import ManifestError, Record
from featherface.training.samples import FloatArray

__all__ = ["read_wider_labels"]

_NUMBERS = 20  # x y w h, five times x y visibility, and a blur score
_LYING = range(5, 9)  # EXIF orientations of images that are stored with width and height exchanged


def read_wider_labels(path: Path) -> list[Record]:
    """Return the records of the images named in `path`; the images are in the folder `images` beside it.

    A line `# EVENT/NAME.jpg` starts an image; each following line is a face: x y w h, five times landmark x y
    flag (all -1 if there are none), and a blur score. Raises ManifestError naming the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(sentence(f"{path} cannot be read as WIDER FACE labels: {error}.")) from error
    images: list[tuple[str, int, list[FloatArray]]] = []
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            images.append((line[1:].strip(), number, []))
        elif line.strip():
            if not images:
                raise ManifestError(f"{path}, line {number}: a face before the first image name.")
            images[-1][2].append(_face(line, f"{path}, line {number}"))
    if not images:
        raise ManifestError(f"{path} names no image.")
    return [_record(path, *image) for image in images]


def _face(line: str, origin: str) -> FloatArray:
    try:
        with np.errstate(over="raise"):  # numbers beyond float32
            face = np.array(line.split(), np.float32)
    except (ValueError, ArithmeticError) as error:
        raise ManifestError(sentence(f"{origin}: {error}.")) from error
    if len(face) < _NUMBERS - 1 or not np.isfinite(face).all():  # some copies omit the blur score
        raise ManifestError(f"{origin}: a face has {_NUMBERS} numbers, this line has {len(face)}.")
    return face


def _record(path: Path, name: str, line: int, faces: list[FloatArray]) -> Record:
    origin = f"{path}, line {line}"
    folder = path.parent / "images"
    try:
        with Image.open(folder / name) as image:
            width, height = image.size
            if image.getexif().get(ExifTags.Base.Orientation) in _LYING:
                width, height = height, width
    except Exception as error:  # Pillow's readers raise nearly any exception for a damaged file
        raise ManifestError(sentence(f"{origin}: {folder / name} cannot be opened: {error}.")) from error
    table = np.array([face[: _NUMBERS - 1] for face in faces], np.float32).reshape(-1, _NUMBERS - 1)
    boxes = np.concatenate((table[:, :2], table[:, :2] + table[:, 2:4]), axis=1)
    boxes = boxes.clip(0, (width, height, width, height)).astype(np.float32)
    landmarks = table[:, 4:].reshape(-1, 5, 3)[..., :2].copy()
    landmarks[(landmarks < 0).any(axis=(1, 2))] = np.nan
    return Record(
        image=name,
        width=width,
        height=height,
        source="wider",
        boxes=boxes,
        scores=np.ones(len(boxes), np.float32),
        ignore=np.any(boxes[:, 2:] <= boxes[:, :2], axis=1),
        landmarks=landmarks,
        landmark_source="retinaface",
        wider_name=name,
        archive=folder,
        origin=origin,
    )
