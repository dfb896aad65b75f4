"""The faces that count: the official WIDER FACE validation lists, or a manifest's boxes by face height."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from featherface.errors import FeatherFaceError
from featherface.evaluation.manifest import Record

__all__ = [
    "Faces",
    "GroundTruth",
    "GroundTruthError",
    "Subset",
    "height_ground_truth",
    "image_name",
    "manifest_ground_truth",
    "wider_ground_truth",
]


class GroundTruthError(FeatherFaceError):
    """Ground truth is absent or does not fit the images; the message names the file or the image."""


@dataclass(frozen=True)
class Subset:
    """One list of faces that is scored on its own, every other face being neither missed nor a false alarm.

    A prediction on no face is a false alarm here if `min_height` <= its height < `max_height`, in pixels.
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
            raise GroundTruthError(f"the {self.protocol} ground truth has no image {unknown[0]}.")
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

    Images are named EVENT/NAME.jpg. Raises `GroundTruthError` for an absent or unreadable file.
    """
    events, names, faces = _lists(folder / "wider_face_val.mat", "event_list", "file_list", "face_bbx_list")
    kept = {
        subset.name: _lists(folder / f"wider_{subset.name}_val.mat", "gt_list")[0] for subset in WIDER_SUBSETS
    }
    images = {}
    for event, (event_name,) in enumerate(events):
        for index, (name,) in enumerate(names[event, 0]):
            boxes = faces[event, 0][index, 0].astype(np.float64)  # x y w h
            boxes[:, 2:] += boxes[:, :2]
            counted = {subset: _mask(rows[event, 0][index, 0], len(boxes)) for subset, rows in kept.items()}
            images[f"{event_name[0]}/{name[0]}.jpg"] = Faces(boxes, counted)
    return GroundTruth("WIDER FACE", WIDER_SUBSETS, images)


def manifest_ground_truth(records: Sequence[Record]) -> GroundTruth:
    """Take the faces of manifest records, scored together and by face height.

    Faces to ignore, and in a band of heights the faces of other heights, are neither missed nor false alarms.
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


def _lists(path: Path, *names: str) -> list[np.ndarray]:
    """Read the variables `names`, arrays of objects with a row for each event, from a .mat file."""
    if not path.is_file():
        raise GroundTruthError(f"the official ground truth {path} is absent.")
    try:
        variables = loadmat(path)
        return [variables[name] for name in names]
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise GroundTruthError(f"{path} is not the official ground truth: {error}.") from error


def _mask(numbers: np.ndarray, faces: int) -> np.ndarray:
    mask = np.zeros(faces, bool)
    mask[numbers.ravel().astype(np.int64) - 1] = True  # the lists count from one
    return mask
