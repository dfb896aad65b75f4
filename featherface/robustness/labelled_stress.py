"""Mean performance under corruption on labelled images, after Michaelis et al. 2019 (arXiv 1907.07484).

Performance is average precision (AP). mPC is the mean AP over the measured corruptions and severities,
rPC is mPC over the AP on clean images. Images without labelled landmarks get them from a template for the
corruptions that cover eyes or mouth.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from featherface.detection.detections import Detections
from featherface.detection.images import Photo, decode_photo
from featherface.errors import FeatherFaceError
from featherface.evaluation.average_precision import (
    bootstrap_draws,
    bootstrap_interval,
    count_by_image,
    missing_interval,
)
from featherface.evaluation.ground_truth import Faces, GroundTruth
from featherface.evaluation.image_sets import EncodedImage
from featherface.evaluation.predictions import Prediction
from featherface.robustness.corruptions import CORRUPTIONS

__all__ = [
    "MEAN",
    "Condition",
    "Estimate",
    "Robustness",
    "StressError",
    "StressPredictor",
    "conditions",
    "corrupted_images",
    "score_stress",
]

MEAN = "mean"  # name of the mean over the subsets of faces
_CLEAN = "clean"

# Eyes, nose and mouth corners in fractions of a box: medians over the 29 faces that the published V1 finds
# in a group photo with boxes from forehead to chin, made symmetric.
_TEMPLATE = np.array([[0.27, 0.39], [0.73, 0.39], [0.5, 0.6], [0.32, 0.76], [0.68, 0.76]])


class StressError(FeatherFaceError):
    """Predictions do not cover the corruptions that are to be scored; the message names what is missing."""


@dataclass(frozen=True)
class Condition:
    """A corruption, by key, and its severity; severity 0 is the clean image."""

    corruption: str
    severity: int

    def image_name(self, image: str) -> str:
        """Return the name under which `image` is predicted in this condition."""
        return f"{self.corruption}/{self.severity}/{image}"


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% bootstrap confidence interval over images; where it is None, a reason.

    `value` is NaN where no face counts.
    """

    value: float
    interval: tuple[float, float] | None
    no_interval: str = ""


@dataclass(frozen=True)
class Robustness:
    """Average precision of one model under corruption, by subset of faces and for their mean (`MEAN`).

    clean: AP on clean images. mpc: mean AP over `corruptions` and `severities`. rpc: mpc over clean.
    by_condition: AP in each condition, by subset. rpc_resampled: rpc of `MEAN` on each resampled set of
    images; the sets are the same for every model, so that two models can be compared in pairs.
    """

    protocol: str
    images: int
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    clean: Mapping[str, Estimate]
    mpc: Mapping[str, Estimate]
    rpc: Mapping[str, Estimate]
    by_condition: Mapping[Condition, Mapping[str, float]]
    rpc_resampled: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class StressPredictor:
    """Detection in a corrupted image, as a function that other processes can be sent.

    predict: detects the faces of a decoded image of a given name. boxes: (F, 4) labelled boxes by image,
    where the corruptions of eyes and mouth act.
    """

    predict: Callable[[str, Photo], Prediction]
    boxes: Mapping[str, np.ndarray]

    def __call__(self, name: str, content: bytes) -> Prediction:
        """Detect faces in `content` under the condition in `name`; raises `ImageError`."""
        corruption, severity, image = name.split("/", 2)
        photo = decode_photo(content)
        if corruption != _CLEAN:
            faces = _labelled_faces(self.boxes[image])
            seed = zlib.crc32(image.encode())  # each image has its own noise and direction of motion
            photo = CORRUPTIONS[corruption].apply(photo, faces, int(severity), seed).photo
        return self.predict(name, photo)


def conditions(corruptions: Iterable[str], severities: Iterable[int]) -> list[Condition]:
    """Return the clean condition, then every corruption at every severity."""
    return [Condition(_CLEAN, 0), *(Condition(*pair) for pair in product(corruptions, severities))]


def corrupted_images(images: Sequence[EncodedImage], chosen: Sequence[Condition]) -> list[EncodedImage]:
    """List every image in every condition; the images are corrupted where they are predicted."""
    return [
        EncodedImage(condition.image_name(image.name), image.origin, image.read)
        for condition in chosen
        for image in images
    ]


def score_stress(
    predictions: Iterable[Prediction],
    ground_truth: GroundTruth,
    corruptions: Sequence[str],
    severities: Sequence[int],
    size_of: Callable[[str], tuple[int, int]],
) -> Robustness:
    """Score predictions of `corrupted_images` on the images of `ground_truth`, all of them.

    size_of: gives width and height of an image in pixels, asked only where a corruption moves faces. All
    conditions are scored on the same resampled sets of images. Raises `StressError` where predictions miss.
    """
    found = {prediction.image: prediction for prediction in predictions}
    names = list(ground_truth.images)
    draws = np.vstack((np.ones((1, len(names))), bootstrap_draws(len(names))))  # the set itself comes first
    clean, *corrupted = conditions(corruptions, severities)
    reasons: dict[str, str] = {}
    scores: dict[Condition, dict[str, np.ndarray]] = {}
    for condition in (clean, *corrupted):
        truth = _moved_truth(ground_truth, condition, size_of)
        counts = count_by_image([_renamed(found, condition, name) for name in names], truth)
        reasons |= {subset: missing_interval(part.images_with_faces) for subset, part in counts.items()}
        by_subset = {subset: part.average_precision(draws) for subset, part in counts.items()}
        scores[condition] = {**by_subset, MEAN: np.mean(list(by_subset.values()), axis=0)}
    reasons[MEAN] = next(filter(None, reasons.values()), "")
    means = {
        subset: np.mean([scores[condition][subset] for condition in corrupted], axis=0) for subset in reasons
    }
    shares = {subset: _ratio(means[subset], scores[clean][subset]) for subset in reasons}
    return Robustness(
        ground_truth.protocol,
        len(names),
        tuple(corruptions),
        tuple(severities),
        clean={subset: _estimate(scores[clean][subset], reason) for subset, reason in reasons.items()},
        mpc={subset: _estimate(means[subset], reason) for subset, reason in reasons.items()},
        rpc={subset: _estimate(shares[subset], reason) for subset, reason in reasons.items()},
        by_condition={
            condition: {subset: float(values[0]) for subset, values in by_subset.items()}
            for condition, by_subset in scores.items()
        },
        rpc_resampled=() if reasons[MEAN] else tuple(shares[MEAN][1:].tolist()),
    )


def _labelled_faces(boxes: np.ndarray) -> Detections:
    """Return labelled boxes (F, 4) as faces of score 1 with the template's landmarks."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    landmarks = boxes[:, None, :2] + _TEMPLATE * sizes[:, None]
    return Detections(boxes.astype(np.float32), np.ones(len(boxes), np.float32), landmarks.astype(np.float32))


def _renamed(found: Mapping[str, Prediction], condition: Condition, image: str) -> Prediction:
    name = condition.image_name(image)
    if name not in found:
        raise StressError(f"There is no prediction for {name}; run the images again.")
    return Prediction(image, found[name].boxes, found[name].scores)


def _moved_truth(
    ground_truth: GroundTruth, condition: Condition, size_of: Callable[[str], tuple[int, int]]
) -> GroundTruth:
    """Return the ground truth with its boxes where the corruption moves them."""
    corruption = CORRUPTIONS.get(condition.corruption)
    if corruption is None or not corruption.moves_faces:
        return ground_truth
    images = {}
    for name, faces in ground_truth.images.items():
        moved = corruption.moved(_labelled_faces(faces.boxes), *size_of(name), condition.severity)
        images[name] = Faces(moved.boxes.astype(np.float64), faces.counted)
    return GroundTruth(ground_truth.protocol, ground_truth.subsets, images)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0))


def _estimate(values: np.ndarray, reason: str) -> Estimate:
    """Summarise values (1 + R,): that of the set itself, then those of R resampled sets."""
    if not reason and np.isnan(values).all():
        reason = "No face is found in the clean images."
    return Estimate(float(values[0]), None if reason else bootstrap_interval(values[1:]), reason)
