"""The study's pruning claim, measured: average precision of a network without its smallest weights.

`featherface prune` measures it and writes the file that the audit reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from torch import nn

from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.ground_truth import GroundTruth
from featherface.evaluation.image_sets import EncodedImage
from featherface.evaluation.paired_bootstrap import compare_precision
from featherface.evaluation.run import Predictor, predict_images
from featherface.files import write_files
from featherface.profiling.pruning import pruned

__all__ = [
    "PRUNED_SHARES",
    "TOLERATED_LOSS",
    "JudgedChange",
    "PrunedScore",
    "PruningCurve",
    "PruningCurveError",
    "PruningMeasurement",
    "load_pruning_curve",
    "measure_pruning",
    "save_pruning_curve",
    "tolerated_shares",
]

PRUNED_SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)  # the study names 10 to 20%
TOLERATED_LOSS = 0.01  # mean average precision; a limit of its own, because few images hide a larger loss


class PruningCurveError(FeatherFaceError):
    """A pruning curve cannot be measured or read; the message names the file or the model."""


class JudgedChange:
    """A change of average precision that its 95% interval judges."""

    interval: tuple[float, float]

    @property
    def tolerated(self) -> bool:
        """Return whether the interval rules out a loss of TOLERATED_LOSS or more."""
        return self.interval[0] > -TOLERATED_LOSS

    @property
    def refused(self) -> bool:
        """Return whether the interval rules out a loss below TOLERATED_LOSS."""
        return self.interval[1] <= -TOLERATED_LOSS


@dataclass(frozen=True)
class PrunedScore(JudgedChange):
    """A network with `share` of its weights at zero: its mean average precision, 0..1, and the change.

    `interval` is the 95% paired bootstrap interval of the change, against the whole network on these images.
    """

    share: float
    score: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class PruningMeasurement:
    """Which model was pruned, and how that was measured."""

    model: str  # key in MODELS
    weights_sha256: str
    image_set: str
    images: int
    protocol: str
    date: str  # ISO 8601
    used_for_selection: bool  # whether the checkpoint was also selected on these images


@dataclass(frozen=True)
class PruningCurve(PruningMeasurement):
    """Scores of one model by rising share, and how they were measured; `whole` is the unpruned score."""

    whole: float
    scores: tuple[PrunedScore, ...]


def measure_pruning(
    network: nn.Module,
    images: Sequence[EncodedImage],
    ground_truth: GroundTruth,
    shares: Sequence[float] = PRUNED_SHARES,
) -> tuple[float, tuple[PrunedScore, ...]]:
    """Return the mean average precision of `network` and that of pruned copies, by the published settings.

    Raises PruningCurveError where the images are too few for an interval.
    """
    whole = predict_images(Predictor(network), images)
    score, scores = 0.0, []
    for share in shares:
        found = predict_images(Predictor(pruned(network, share)), images)
        mean = compare_precision(whole, found, ground_truth).mean
        if mean.interval is None:
            raise PruningCurveError(f"Pruning cannot be judged on these images. {mean.no_interval}")
        score = mean.first
        scores.append(PrunedScore(share, mean.second, mean.interval))
    return score, tuple(scores)


def tolerated_shares(curve: PruningCurve) -> tuple[float, float]:
    """Return the largest share up to which every loss is tolerated, and that up to which none is refused.

    Of the measured shares, 0 if there is none. Between the two, the images are too few to tell.
    """
    tolerated = takewhile(lambda point: point.tolerated, curve.scores)
    possible = takewhile(lambda point: not point.refused, curve.scores)
    return (
        max((point.share for point in tolerated), default=0.0),
        max((point.share for point in possible), default=0.0),
    )


def save_pruning_curve(path: Path, curve: PruningCurve) -> None:
    """Write `curve` as JSON."""
    scores = [vars(point) for point in curve.scores]
    write_files({path: f"{json.dumps({**vars(curve), 'scores': scores}, indent=1)}\n".encode()})


def load_pruning_curve(path: Path) -> PruningCurve:
    """Read what `save_pruning_curve` wrote; raises `PruningCurveError`."""
    try:
        return _parsed(json.loads(path.read_bytes()))
    except KeyError as error:
        raise PruningCurveError(
            sentence(f"{path} is not a readable pruning curve: the field {error} is missing.")
        ) from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise PruningCurveError(sentence(f"{path} is not a readable pruning curve: {error}.")) from error


def _parsed(document: Mapping[str, Any]) -> PruningCurve:
    texts = ("model", "weights_sha256", "image_set", "protocol", "date")
    wrong = [name for name in texts if not isinstance(document[name], str)]
    if wrong:
        raise TypeError(f"{wrong[0]!r} is not text")
    datetime.fromisoformat(document["date"])
    if not isinstance(document["used_for_selection"], bool) or not isinstance(document["images"], int):
        raise TypeError("'used_for_selection' or 'images' has the wrong type")
    scores = tuple(
        PrunedScore(
            _within(point["share"], 0, 1), _within(point["score"], 0, 1), _interval(point["interval"])
        )
        for point in document["scores"]
    )
    shares = [point.share for point in scores]
    if not shares or shares != sorted(set(shares)):
        raise ValueError("the shares do not rise")
    return PruningCurve(
        **{name: document[name] for name in texts},
        images=document["images"],
        used_for_selection=document["used_for_selection"],
        whole=_within(document["whole"], 0, 1),
        scores=scores,
    )


def _within(value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"{value!r} is not a number from {least} to {most}")
    return float(value)


def _interval(value: Any) -> tuple[float, float]:
    low, high = (_within(end, -1, 1) for end in value)
    if low > high:
        raise ValueError(f"{value!r} is not an interval")
    return low, high
