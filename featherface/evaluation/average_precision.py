"""Average precision by the official WIDER FACE protocol.

The arithmetic is that of the official evaluation (Yang et al., WIDER FACE, CVPR 2016, `eval_tools`) in its
widely used Python form: overlaps that count pixels inclusively, IoU 0.5, scores normalised over the whole
set, 1000 thresholds. Here all images are scored at once, on arrays. How far a figure depends on which
images happen to be in the set is estimated by the bootstrap (Efron, 1979) over whole images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featherface.config import MATCH_IOU
from featherface.detection.boxes import iou_matrix
from featherface.evaluation.ground_truth import GroundTruth, Subset
from featherface.evaluation.predictions import Prediction

__all__ = ["Curve", "Evaluation", "average_precision", "evaluate"]

THRESHOLDS = 1000  # of the official protocol
_RESAMPLES = 1000  # of the bootstrap: its bounds then vary by a tenth of a point from seed to seed
_INTERVAL = (0.025, 0.975)
_LAST_PIXEL = np.array([0.0, 0.0, 1.0, 1.0])  # x2 and y2 name the last pixel: a box is x2 - x1 + 1 wide


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall (T,) float64 in 0..1 at T falling thresholds, for one subset of `faces` faces.

    `thresholds` (T,) are scores as the detector gives them. `average_precision` is NaN where no face counts.
    `interval`: what 95 % of resampled sets of as many images give; None where it was not measured.
    """

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    faces: int
    average_precision: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The curves of every subset over `images` images."""

    protocol: str
    images: int
    curves: Mapping[str, Curve]

    def scores(self) -> dict[str, float]:
        """Return the average precision, 0..1, by subset."""
        return {name: curve.average_precision for name, curve in self.curves.items()}


@dataclass(frozen=True, eq=False)
class Matches:
    """Every prediction (P,), highest score first, beside all faces of all images.

    `scores`, `heights` in pixels, `image`: the index of its image, `face`: the index of the face it lies
    on, -1 for none, and `first`: no prediction with a higher score lies on that face.
    """

    scores: np.ndarray
    heights: np.ndarray
    image: np.ndarray
    face: np.ndarray
    first: np.ndarray


def evaluate(predictions: Sequence[Prediction], ground_truth: GroundTruth) -> Evaluation:
    """Score `predictions` on exactly the images they name.

    Raises `GroundTruthError` for a image that the ground truth lacks.
    """
    ground_truth = ground_truth.only(prediction.image for prediction in predictions)
    matches = _match(predictions, ground_truth)
    faces = ground_truth.images.values()
    curves = {
        subset.name: _curve(matches, [image.counted[subset.name] for image in faces], subset)
        for subset in ground_truth.subsets
    }
    return Evaluation(ground_truth.protocol, len(predictions), curves)


def average_precision(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Return the area (...,) under the envelope of `precision` over rising `recall` (..., T): VOC 2010."""
    ends = [(0, 0)] * (precision.ndim - 1) + [(1, 1)]
    recall = np.pad(recall, ends, constant_values=(0.0, 1.0))
    precision = np.pad(precision, ends)
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return np.sum(np.diff(recall) * envelope[..., 1:], axis=-1)


def _match(predictions: Sequence[Prediction], ground_truth: GroundTruth) -> Matches:
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
    heights = np.concatenate([np.zeros(0), *heights])
    return Matches(scores[order], heights[order], image[order], face, first)


def _best_faces(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return for each of `boxes` (N, 4) which of `faces` (F, 4) it overlaps most: (N,) int, -1 for none."""
    if len(boxes) == 0 or len(faces) == 0:
        return np.full(len(boxes), -1)
    iou = iou_matrix(boxes + _LAST_PIXEL, faces + _LAST_PIXEL)
    return np.where(iou.max(axis=1) >= MATCH_IOU, iou.argmax(axis=1), -1)


def _curve(matches: Matches, counted: Sequence[np.ndarray], subset: Subset) -> Curve:
    counts = np.concatenate([np.zeros(0, bool), *counted, [False]])  # the last stands for "on no face"
    on_face = matches.face >= 0
    on_counted = counts[matches.face]
    in_band = (matches.heights >= subset.min_height) & (matches.heights < subset.max_height)
    steps = 1 - np.arange(1, THRESHOLDS + 1) / THRESHOLDS  # (T,)
    lowest, highest = matches.scores[[-1, 0]] if len(matches.scores) else (0.0, 1.0)
    span = (highest - lowest) or 1.0
    normalised = (matches.scores - lowest) / span
    step = np.searchsorted(-steps, -normalised)  # (P,) the first step that takes the prediction
    # a second box on a face is a false alarm
    proposed = _by_picture(matches, on_counted | (~on_face & in_band), step, len(counted))
    found = _by_picture(matches, on_counted & matches.first, step, len(counted))
    faces = np.array([mask.sum() for mask in counted], np.float64)  # (N,)
    precision, recall = _rates(found.sum(axis=0), proposed.sum(axis=0), faces.sum())
    thresholds = lowest + steps * span
    if not faces.any():
        return Curve(precision, recall, thresholds, 0, float("nan"))
    area = float(average_precision(precision, recall))
    return Curve(precision, recall, thresholds, int(faces.sum()), area, _interval(found, proposed, faces))


def _by_picture(matches: Matches, flags: np.ndarray, step: np.ndarray, images: int) -> np.ndarray:
    """Return how many predictions with a flag each image has at each step: (N, T)."""
    counts = np.zeros((images, THRESHOLDS + 1))
    np.add.at(counts, (matches.image, step), flags)
    return counts.cumsum(axis=1)[:, :THRESHOLDS]


def _rates(found: np.ndarray, proposed: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall (..., T) from counts (..., T) and all faces (...,)."""
    return found / np.maximum(proposed, 1), found / np.maximum(faces, 1)[..., None]


def _interval(found: np.ndarray, proposed: np.ndarray, faces: np.ndarray) -> tuple[float, float]:
    """Return bounds of the average precision, from counts (N, T) and faces (N,) by image."""
    images = len(faces)
    drawn = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), _RESAMPLES)
    drawn = drawn.astype(np.float64)  # (R, N) how often each image is in each resampled set
    areas = average_precision(*_rates(drawn @ found, drawn @ proposed, drawn @ faces))
    low, high = np.quantile(areas, _INTERVAL)
    return float(low), float(high)
