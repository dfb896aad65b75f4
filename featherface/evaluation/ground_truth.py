"""The faces that count: the official WIDER FACE validation lists, or a manifest's boxes by face height."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.manifest import Record
from featherface.evaluation.mat_file import MatFileError, MatValue, read_mat

__all__ = [
    "Faces",
    "GroundTruth",
    "GroundTruthError",
    "Subset",
    "height_ground_truth",
    "image_name",
    "manifest_ground_truth",
    "wider_face_labels",
    "wider_ground_truth",
]


class GroundTruthError(FeatherFaceError):
    """Ground truth is absent or does not fit the images; the message names the file or the image."""


@dataclass(frozen=True)
class Subset:
    """A subset of the faces, scored on its own: other faces are neither missed nor false positives.

    A prediction that matches no face is a false positive if `min_height` <= height < `max_height`, in pixels.
    """

    name: str
    min_height: float = 0.0
    max_height: float = float("inf")


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one image: `boxes` (F, 4) float64 x1 y1 x2 y2, and by subset `counted` (F,) bool."""

    boxes: np.ndarray
    counted: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The faces of each image, by image name."""

    protocol: str  # what people read
    subsets: tuple[Subset, ...]
    images: Mapping[str, Faces]

    def only(self, names: Iterable[str]) -> GroundTruth:
        """Restrict to the images `names`; raises `GroundTruthError` for a name that is not known."""
        names = list(names)
        unknown = [name for name in names if name not in self.images]
        if unknown:
            raise GroundTruthError(f"The {self.protocol} ground truth has no image {unknown[0]}.")
        return GroundTruth(self.protocol, self.subsets, {name: self.images[name] for name in names})


WIDER_SUBSETS = (Subset("easy"), Subset("medium"), Subset("hard"))
HEIGHT_SUBSETS = (
    Subset("all"),
    Subset("under 16 px", 0.0, 16.0),  # below the smallest anchor
    Subset("16-32 px", 16.0, 32.0),
    Subset("32-96 px", 32.0, 96.0),
    Subset("over 96 px", 96.0),
)


def wider_ground_truth(folder: Path) -> GroundTruth:
    """Read wider_face_val.mat and wider_{easy,medium,hard}_val.mat, as published with WIDER FACE.

    Images are named EVENT/NAME.jpg. Raises `GroundTruthError` for an absent, damaged or unfitting file.
    """
    path = folder / "wider_face_val.mat"
    events, files, faces = _cells(path, "event_list", "file_list", "face_bbx_list")
    names = _image_names(events, files, path)
    boxes = [_corners(box, path) for event in faces for box in _list(event, path)]
    _check_lengths(path, names, boxes)
    counted: list[dict[str, np.ndarray]] = [{} for _ in names]
    for subset in WIDER_SUBSETS:
        path = folder / f"wider_{subset.name}_val.mat"
        (kept,) = _cells(path, "gt_list")
        numbers = [found for event in kept for found in _list(event, path)]
        _check_lengths(path, names, numbers)
        for masks, found, corners in zip(counted, numbers, boxes, strict=True):
            masks[subset.name] = _mask(found, len(corners), path)
    faces_of = map(Faces, boxes, counted)
    return GroundTruth("WIDER FACE", WIDER_SUBSETS, dict(zip(names, faces_of, strict=True)))


def wider_face_labels(folder: Path, attributes: Iterable[str]) -> dict[str, dict[str, np.ndarray]]:
    """Return the labels of each face, (F,) int64, by attribute and image name, from wider_face_val.mat.

    attributes: of blur, expression, illumination, invalid, occlusion and pose. Raises `GroundTruthError` as
    `wider_ground_truth` does.
    """
    path = folder / "wider_face_val.mat"
    attributes = list(attributes)
    lists = [f"{attribute}_label_list" for attribute in attributes]
    events, files, *labels = _cells(path, "event_list", "file_list", *lists)
    names = _image_names(events, files, path)
    found = {}
    for attribute, listed in zip(attributes, labels, strict=True):
        per_image = [_whole_numbers(one, path) for event in listed for one in _list(event, path)]
        _check_lengths(path, names, per_image)
        found[attribute] = dict(zip(names, per_image, strict=True))
    return found


def manifest_ground_truth(records: Sequence[Record]) -> GroundTruth:
    """Take the faces of manifest records, scored together and by face height.

    Ignored faces, and faces outside the band of heights, are neither missed nor false positives.
    """
    faces = {image_name(record): (record.boxes, record.ignore) for record in records}
    return height_ground_truth("manifest", faces)


def height_ground_truth(protocol: str, faces: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> GroundTruth:
    """Take boxes (F, 4), x1 y1 x2 y2, and faces to ignore (F,) bool by image name, as a manifest's are."""
    images = {}
    for name, (boxes, ignore) in faces.items():
        heights = boxes[:, 3] - boxes[:, 1]
        counted = {
            band.name: ~ignore & (heights >= band.min_height) & (heights < band.max_height)
            for band in HEIGHT_SUBSETS
        }
        images[name] = Faces(boxes.astype(np.float64), counted)
    return GroundTruth(protocol, HEIGHT_SUBSETS, images)


def image_name(record: Record) -> str:
    """Return the name under which a record's image is predicted and scored."""
    return record.wider_name or record.image


def _cells(path: Path, *names: str) -> list[list[MatValue]]:
    """Read the variables `names`, cell arrays with one cell per event, from a .mat file."""
    if not path.is_file():
        raise GroundTruthError(f"The official ground truth {path} does not exist.")
    try:
        variables = read_mat(path.read_bytes(), names)
    except (OSError, MatFileError) as error:
        raise GroundTruthError(sentence(f"{path} is not the official ground truth: {error}.")) from error
    return [_list(variables[name], path) for name in names]


def _check_lengths(path: Path, *lists: Sized) -> None:
    if len({len(one) for one in lists}) != 1:
        raise _misfit(path)


def _image_names(events: list[MatValue], files: list[MatValue], path: Path) -> list[str]:
    """Return the names EVENT/NAME.jpg of all images, event by event."""
    _check_lengths(path, events, files)
    return [
        f"{_text(event, path)}/{_text(name, path)}.jpg"
        for event, listed in zip(events, files, strict=True)
        for name in _list(listed, path)
    ]


def _list(value: MatValue, path: Path) -> list[MatValue]:
    if not isinstance(value, list):
        raise _misfit(path)
    return value


def _text(value: MatValue, path: Path) -> str:
    """Return the text of a cell, which may stand in a cell of its own."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if not isinstance(value, str):
        raise _misfit(path)
    return value


def _corners(value: MatValue, path: Path) -> np.ndarray:
    """Return boxes (F, 4) x1 y1 x2 y2 from x y w h."""
    if not isinstance(value, np.ndarray) or value.ndim != 2 or (value.size and value.shape[1] != 4):
        raise _misfit(path)
    boxes = value.reshape(-1, 4).astype(np.float64)
    if not np.isfinite(boxes).all():
        raise _misfit(path)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _mask(numbers: MatValue, faces: int, path: Path) -> np.ndarray:
    """Return which faces a list of numbers, counted from one, names: (F,) bool."""
    if not isinstance(numbers, np.ndarray):
        raise _misfit(path)
    flat = numbers.ravel()
    if not ((flat >= 1) & (flat <= faces)).all():  # NaN fails too
        raise _misfit(path)
    mask = np.zeros(faces, bool)
    mask[flat.astype(np.int64) - 1] = True
    return mask


def _whole_numbers(value: MatValue, path: Path) -> np.ndarray:
    """Return a list of whole numbers as (F,) int64."""
    if not isinstance(value, np.ndarray) or not (np.abs(value) < 2**31).all() or (value % 1).any():
        raise _misfit(path)  # NaN fails too
    return value.ravel().astype(np.int64)


def _misfit(path: Path) -> GroundTruthError:
    return GroundTruthError(
        f"{path} does not have the layout of the official ground truth; download it again."
    )
