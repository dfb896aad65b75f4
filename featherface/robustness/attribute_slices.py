"""Average precision and recall of faces with one attribute, compared within bands of face height.

Blur and occlusion go with size: small faces are blurred more often, and are missed because they are small.
So every value of an attribute is scored within each band of heights on its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featherface.config import DEFAULT_CONFIDENCE
from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.average_precision import (
    ImageCounts,
    bootstrap_draws,
    bootstrap_interval,
    count_by_image,
    missing_interval,
)
from featherface.evaluation.ground_truth import (
    HEIGHT_SUBSETS,
    Faces,
    GroundTruth,
    Subset,
    wider_face_labels,
)
from featherface.evaluation.predictions import Prediction
from featherface.robustness.labelled_stress import Estimate

__all__ = [
    "BANDS",
    "INVALID",
    "UNLABELLED",
    "WIDER_ATTRIBUTES",
    "Attribute",
    "Slice",
    "SliceError",
    "csv_attribute",
    "csv_columns",
    "score_slices",
    "wider_attributes",
]

BANDS = HEIGHT_SUBSETS[1:]  # the first subset is every face
UNLABELLED = -1
INVALID = "invalid"
_MAX_VALUES = 12  # of a column: more are names or numbers, not groups

# Values in the order of the labels 0, 1, 2 in the WIDER FACE files.
WIDER_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "blur": ("clear", "normal blur", "heavy blur"),
    "occlusion": ("none", "partial", "heavy"),
    "illumination": ("normal", "extreme"),
    "pose": ("typical", "atypical"),
    "expression": ("typical", "exaggerated"),
    INVALID: ("valid", "invalid"),
}


class SliceError(FeatherFaceError):
    """Labels do not fit the faces, or a file of groups cannot be read; the message says why."""


@dataclass(frozen=True, eq=False)
class Attribute:
    """A property of faces.

    labels: by image, (F,) int64, the place of each face's value in `values`, or `UNLABELLED`.
    ignored_too: faces that the ground truth ignores count as well, because the attribute is about them.
    """

    name: str
    values: tuple[str, ...]
    labels: Mapping[str, np.ndarray]
    ignored_too: bool = False


@dataclass(frozen=True)
class Slice:
    """The faces with one value of an attribute in one band of heights, and how a model does on them.

    average_precision: false positives are all predictions of the band's heights that match no face, the same
    for every value, so a rare value has a lower score; compare models within a slice. recall: at the
    confidence threshold. Where both are None, `suppressed` says why.
    """

    attribute: str
    value: str
    band: str
    faces: int
    images: int  # with such a face
    average_precision: Estimate | None
    recall: Estimate | None
    suppressed: str = ""


def wider_attributes(folder: Path) -> list[Attribute]:
    """Read the attributes of every face in wider_face_val.mat.

    Raises `GroundTruthError` for an unreadable file and `SliceError` for a label without a meaning.
    """
    labels = wider_face_labels(folder, WIDER_ATTRIBUTES)
    for name, by_image in labels.items():
        for image, numbers in by_image.items():
            if not ((numbers >= 0) & (numbers < len(WIDER_ATTRIBUTES[name]))).all():
                raise SliceError(f"The ground truth has an unknown value of {name} in {image}.")
    return [
        Attribute(name, values, labels[name], ignored_too=name == INVALID)
        for name, values in WIDER_ATTRIBUTES.items()
    ]


def csv_columns(data: bytes, name: str) -> list[str]:
    """Return the columns of the CSV file `name` that can name groups.

    Raises `SliceError` if there is none.
    """
    names = [column for column in _reader(data, name).fieldnames or () if column not in ("image", "face", "")]
    if not names:
        raise SliceError(sentence(f"{name} has no column besides image and face, so it names no groups."))
    return list(dict.fromkeys(names))


def csv_attribute(data: bytes, name: str, column: str, faces: Mapping[str, int]) -> Attribute:
    """Read an attribute from the CSV file `name`: a column `image`, optionally `face`, and `column`.

    faces: number of faces by image. `face` counts from 1 in the order of the ground truth; without it, a
    value is that of all faces of the image. An empty value leaves faces out. Raises `SliceError`.
    """
    labels = {image: np.full(count, UNLABELLED) for image, count in faces.items()}
    values: dict[str, int] = {}
    for origin, row in _rows(data, name, column):
        value, image = (row[column] or "").strip(), (row["image"] or "").strip()
        if not value:
            continue
        if image not in labels:
            raise SliceError(sentence(f"{origin}: the ground truth has no image {image!r}."))
        place = _place(row.get("face"), len(labels[image]), origin)
        labels[image][place] = values.setdefault(value, len(values))
        if len(values) > _MAX_VALUES:
            raise SliceError(
                sentence(
                    f"{name}: the column {column!r} has more than {_MAX_VALUES} values; it must name groups."
                )
            )
    if not values:
        raise SliceError(sentence(f"{name}: the column {column!r} is empty."))
    return Attribute(column, tuple(values), labels)


def score_slices(
    predictions: Sequence[Prediction],
    boxes: Mapping[str, np.ndarray],
    ignore: Mapping[str, np.ndarray],
    attributes: Sequence[Attribute],
    confidence: float = DEFAULT_CONFIDENCE,
) -> list[Slice]:
    """Score predictions on every value of each attribute within each band of `BANDS`.

    boxes (F, 4) and ignore (F,) bool by image; the images of `predictions` are scored. Raises `SliceError`
    where an attribute does not label those faces.
    """
    confident = [_above(prediction, confidence) for prediction in predictions]
    draws = np.vstack((np.ones((1, len(predictions))), bootstrap_draws(len(predictions))))
    slices = []
    for attribute in attributes:
        for number, value in enumerate(attribute.values):
            truth = _slice_truth(predictions, boxes, ignore, attribute, number)
            every, above = (count_by_image(found, truth) for found in (predictions, confident))
            slices += [
                _slice(attribute.name, value, band.name, every[band.name], above[band.name], draws)
                for band in BANDS
            ]
    return slices


def _rows(data: bytes, name: str, column: str) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Yield each row of a CSV file with "FILE, line N"; raises `SliceError`."""
    reader = _reader(data, name)
    try:
        missing = [wanted for wanted in ("image", column) if wanted not in (reader.fieldnames or ())]
        if missing:
            raise SliceError(sentence(f"{name} has no column {missing[0]!r}."))
        for row in reader:
            yield f"{name}, line {reader.line_num}", row
    except csv.Error as error:
        raise SliceError(sentence(f"{name} cannot be read as CSV: {error}.")) from error


def _reader(data: bytes, name: str) -> csv.DictReader[str]:
    """Return a reader whose header can be read; raises `SliceError`."""
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        _ = reader.fieldnames  # reads the header
    except (csv.Error, UnicodeDecodeError) as error:
        raise SliceError(sentence(f"{name} cannot be read as CSV: {error}.")) from error
    return reader


def _place(number: str | None, count: int, origin: str) -> int | slice:
    """Return the index of face `number`, counted from 1, of `count`; all of them for no number."""
    text = (number or "").strip()
    if not text:
        return slice(None)
    if not text.isdecimal() or not 1 <= int(text) <= count:
        raise SliceError(sentence(f"{origin}: the face must be a number from 1 to {count}, not {text!r}."))
    return int(text) - 1


def _above(prediction: Prediction, confidence: float) -> Prediction:
    kept = prediction.scores > confidence
    return Prediction(prediction.image, prediction.boxes[kept], prediction.scores[kept])


def _slice_truth(
    predictions: Sequence[Prediction],
    boxes: Mapping[str, np.ndarray],
    ignore: Mapping[str, np.ndarray],
    attribute: Attribute,
    value: int,
) -> GroundTruth:
    """Return the ground truth of one value, with one subset per band of heights."""
    images = {}
    for image in (prediction.image for prediction in predictions):
        labels = attribute.labels.get(image)
        if image not in boxes or labels is None or len(labels) != len(boxes[image]):
            raise SliceError(f"The faces of {image} have no label of {attribute.name} each.")
        chosen = labels == value
        if not attribute.ignored_too:
            chosen &= ~ignore[image]
        heights = boxes[image][:, 3] - boxes[image][:, 1]
        images[image] = Faces(boxes[image], {band.name: chosen & _in_band(heights, band) for band in BANDS})
    return GroundTruth(attribute.name, BANDS, images)


def _in_band(heights: np.ndarray, band: Subset) -> np.ndarray:
    return np.asarray((heights >= band.min_height) & (heights < band.max_height))


def _slice(
    attribute: str, value: str, band: str, every: ImageCounts, above: ImageCounts, draws: np.ndarray
) -> Slice:
    faces, images = int(every.faces.sum()), every.images_with_faces
    reason = missing_interval(images)
    if reason:
        return Slice(attribute, value, band, faces, images, None, None, reason)
    found, there = draws @ above.found[:, -1], draws @ every.faces
    recall = np.divide(found, there, out=np.full_like(there, np.nan), where=there > 0)
    return Slice(
        attribute, value, band, faces, images, _estimate(every.average_precision(draws)), _estimate(recall)
    )


def _estimate(values: np.ndarray) -> Estimate:
    """Summarise values (1 + R,): that of the set itself, then those of R resampled sets."""
    return Estimate(float(values[0]), bootstrap_interval(values[1:]))
