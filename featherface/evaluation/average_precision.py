"""Average precision by the official WIDER FACE protocol, with bootstrap confidence intervals.

The arithmetic is that of the official evaluation (Yang et al., WIDER FACE, CVPR 2016, `eval_tools`) in its
widely used Python form: overlaps that count pixels inclusively, IoU 0.5, scores normalised over the whole
set, 1000 thresholds. All images are scored at once, on arrays. Confidence intervals resample whole images
(Efron's bootstrap, 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featherface.config import MATCH_IOU
from featherface.detection.boxes import iou_matrix
from featherface.evaluation.ground_truth import GroundTruth, Subset
from featherface.evaluation.predictions import Prediction

__all__ = [
    "MIN_IMAGES_WITH_FACES",
    "Curve",
    "Evaluation",
    "ImageCounts",
    "average_precision",
    "bootstrap_draws",
    "bootstrap_interval",
    "count_by_image",
    "evaluate",
    "missing_interval",
]

THRESHOLDS = 1000  # of the official protocol
MIN_IMAGES_WITH_FACES = 10  # with fewer images a bootstrap interval is unreliable
_RESAMPLES = 1000  # of the bootstrap: the bounds then vary by 0.001 from seed to seed
_QUANTILES = (0.025, 0.975)
_LAST_PIXEL = np.array([0.0, 0.0, 1.0, 1.0])  # x2 and y2 name the last pixel: a box is x2 - x1 + 1 wide


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall (T,) float64 in 0..1 at T falling thresholds, for one subset of `faces` faces.

    `thresholds` (T,) are scores as the detector gives them. `average_precision` is NaN where no face counts.
    `interval` is the 95% bootstrap confidence interval; where it is None, `no_interval` says why.
    """

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    faces: int
    average_precision: float
    interval: tuple[float, float] | None = None
    no_interval: str = ""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The curves of every subset over `images` images.

    `mean_interval` is the 95% confidence interval of the mean of all subsets; None where a subset has none.
    """

    protocol: str
    images: int
    curves: Mapping[str, Curve]
    mean_interval: tuple[float, float] | None = None

    def scores(self) -> dict[str, float]:
        """Return the average precision, 0..1, by subset."""
        return {name: curve.average_precision for name, curve in self.curves.items()}


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """Counts of N images at T falling thresholds for one subset, from which sets of images are scored.

    `found` (N, T): faces found. `proposed` (N, T): predictions that count, true or false positives.
    `faces` (N,): faces to find. All float64. `thresholds` (T,) as in `Curve`.
    """

    found: np.ndarray
    proposed: np.ndarray
    faces: np.ndarray
    thresholds: np.ndarray

    @property
    def images_with_faces(self) -> int:
        """Number of images with a face that counts."""
        return int(np.count_nonzero(self.faces))

    def rates(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return precision and recall (R, T) of R sets; `draws` (R, N) says how often each has each image."""
        found, proposed, faces = draws @ self.found, draws @ self.proposed, draws @ self.faces
        return found / np.maximum(proposed, 1), found / np.maximum(faces, 1)[:, None]

    def average_precision(self, draws: np.ndarray) -> np.ndarray:
        """Return the average precision (R,) of each set, NaN where it holds no face that counts."""
        return np.where(draws @ self.faces > 0, average_precision(*self.rates(draws)), np.nan)


@dataclass(frozen=True, eq=False)
class _Matches:
    """All predictions (P,) of all images, highest score first.

    `scores`, `heights` in pixels, `image`: the index of its image, `face`: the index of the face it overlaps,
    -1 for none, and `first`: no prediction with a higher score overlaps that face.
    """

    scores: np.ndarray
    heights: np.ndarray
    image: np.ndarray
    face: np.ndarray
    first: np.ndarray


def evaluate(predictions: Sequence[Prediction], ground_truth: GroundTruth) -> Evaluation:
    """Score `predictions` on exactly the images they name.

    Raises `GroundTruthError` for an image that the ground truth lacks.
    """
    counts = count_by_image(predictions, ground_truth)
    draws = bootstrap_draws(len(predictions))
    resampled = {name: counted.average_precision(draws) for name, counted in counts.items()}
    curves = {name: _curve(counted, resampled[name]) for name, counted in counts.items()}
    mean = np.mean(list(resampled.values()), axis=0)
    complete = all(curve.interval is not None for curve in curves.values())
    return Evaluation(
        ground_truth.protocol, len(predictions), curves, bootstrap_interval(mean) if complete else None
    )


def average_precision(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Return the area (...,) under the envelope of `precision` over rising `recall` (..., T): VOC 2010."""
    ends = [(0, 0)] * (precision.ndim - 1) + [(1, 1)]
    recall = np.pad(recall, ends, constant_values=(0.0, 1.0))
    precision = np.pad(precision, ends)
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(np.sum(np.diff(recall) * envelope[..., 1:], axis=-1))


def count_by_image(predictions: Sequence[Prediction], ground_truth: GroundTruth) -> dict[str, ImageCounts]:
    """Match predictions to faces and return the counts of each image by subset, in the predictions' order.

    Raises `GroundTruthError` for an image that the ground truth lacks.
    """
    ground_truth = ground_truth.only(prediction.image for prediction in predictions)
    matches = _match(predictions, ground_truth)
    images = ground_truth.images.values()
    return {
        subset.name: _count(matches, [image.counted[subset.name] for image in images], subset)
        for subset in ground_truth.subsets
    }


def bootstrap_draws(images: int) -> np.ndarray:
    """Return how often each of N images is in each of R resampled sets: (R, N) float64, from a fixed seed."""
    if images == 0:
        return np.zeros((_RESAMPLES, 0))
    shares = np.full(images, 1 / images)
    return np.random.default_rng(0).multinomial(images, shares, _RESAMPLES).astype(np.float64)


def bootstrap_interval(resampled: np.ndarray) -> tuple[float, float]:
    """Return the 95% interval of values (R,) of resampled sets, those that are undefined (NaN) left out."""
    low, high = np.nanquantile(resampled, _QUANTILES)
    return float(low), float(high)


def missing_interval(images_with_faces: int) -> str:
    """Return why so few images with faces give no interval, as a sentence; "" where they are enough."""
    if images_with_faces == 0:
        return "No face counts in this subset."
    if images_with_faces < MIN_IMAGES_WITH_FACES:
        images = "image" if images_with_faces == 1 else "images"
        return f"Only {images_with_faces} {images} with faces; an interval needs {MIN_IMAGES_WITH_FACES}."
    return ""


def _curve(counts: ImageCounts, resampled: np.ndarray) -> Curve:
    everything = np.ones((1, len(counts.faces)))
    (precision,), (recall,) = counts.rates(everything)
    (area,) = counts.average_precision(everything)
    reason = missing_interval(counts.images_with_faces)
    return Curve(
        precision,
        recall,
        counts.thresholds,
        int(counts.faces.sum()),
        float(area),
        None if reason else bootstrap_interval(resampled),
        reason,
    )


def _match(predictions: Sequence[Prediction], ground_truth: GroundTruth) -> _Matches:
    faces = []
    offset = 0
    for prediction in predictions:
        boxes = ground_truth.images[prediction.image].boxes
        local = _best_faces(prediction.boxes, boxes)
        faces.append(np.where(local >= 0, local + offset, -1))
        offset += len(boxes)
    face = np.concatenate([np.zeros(0, np.int64), *faces])
    image = np.repeat(np.arange(len(faces)), [len(local) for local in faces])
    scores = np.concatenate([np.zeros(0), *(prediction.scores for prediction in predictions)])
    heights = [prediction.boxes[:, 3] - prediction.boxes[:, 1] for prediction in predictions]
    order = np.argsort(-scores, kind="stable")
    face = face[order]
    first = np.zeros(len(face), bool)
    first[np.unique(face, return_index=True)[1]] = True
    first &= face >= 0
    return _Matches(scores[order], np.concatenate([np.zeros(0), *heights])[order], image[order], face, first)


def _best_faces(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return for each of `boxes` (N, 4) which of `faces` (F, 4) it overlaps most: (N,) int, -1 for none."""
    if len(boxes) == 0 or len(faces) == 0:
        return np.full(len(boxes), -1)
    iou = iou_matrix(boxes + _LAST_PIXEL, faces + _LAST_PIXEL)
    return np.where(iou.max(axis=1) >= MATCH_IOU, iou.argmax(axis=1), -1)


def _count(matches: _Matches, counted: Sequence[np.ndarray], subset: Subset) -> ImageCounts:
    counts = np.concatenate([np.zeros(0, bool), *counted, [False]])  # the last stands for "on no face"
    on_face = matches.face >= 0
    on_counted = counts[matches.face]
    in_band = (matches.heights >= subset.min_height) & (matches.heights < subset.max_height)
    steps = 1 - np.arange(1, THRESHOLDS + 1) / THRESHOLDS  # (T,)
    lowest, highest = matches.scores[[-1, 0]] if len(matches.scores) else (0.0, 1.0)
    span = (highest - lowest) or 1.0
    normalised = (matches.scores - lowest) / span
    step = np.searchsorted(-steps, -normalised)  # (P,) the first step that takes the prediction
    # a second box on a face is a false positive
    proposed = on_counted | (~on_face & in_band)
    return ImageCounts(
        found=_by_image(matches, on_counted & matches.first, step, len(counted)),
        proposed=_by_image(matches, proposed, step, len(counted)),
        faces=np.array([mask.sum() for mask in counted], np.float64),
        thresholds=lowest + steps * span,
    )


def _by_image(matches: _Matches, flags: np.ndarray, step: np.ndarray, images: int) -> np.ndarray:
    """Return how many flagged predictions each image has at each step: (N, T)."""
    counts = np.zeros((images, THRESHOLDS + 1))
    np.add.at(counts, (matches.image, step), flags)
    return np.asarray(counts.cumsum(axis=1)[:, :THRESHOLDS])
