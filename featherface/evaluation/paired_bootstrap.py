"""Two models on the same images: the difference of average precision and its paired confidence interval.

Both models are scored on the same resampled sets of images, so that image difficulty cancels out; the
interval is narrower than two separate ones (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.average_precision import (
    bootstrap_draws,
    bootstrap_interval,
    count_by_image,
    missing_interval,
)
from featherface.evaluation.curves import other_weights_message
from featherface.evaluation.ground_truth import GroundTruth
from featherface.evaluation.predictions import Prediction
from featherface.files import write_files

__all__ = [
    "ComparisonError",
    "Difference",
    "PrecisionComparison",
    "SavedComparison",
    "check_compared_weights",
    "compare_precision",
    "comparison_from_json",
    "comparison_to_json",
    "difference_text",
    "interval_text",
    "load_comparisons",
    "parse_comparisons",
    "save_comparisons",
]

_MAX_COUNT = 10**9


class ComparisonError(FeatherFaceError):
    """Two models cannot be compared, or a comparison file cannot be read; the message names what is wrong."""


@dataclass(frozen=True)
class Difference:
    """Average precision, 0..1, of two models on one subset, and how they differ.

    `interval` is the 95% paired bootstrap interval of `second - first`, `ratio_interval` that of
    `second / first`, None where a resampled score of the first is 0; `no_interval` says why there is no
    interval.
    """

    first: float
    second: float
    interval: tuple[float, float] | None
    ratio_interval: tuple[float, float] | None
    no_interval: str = ""

    @property
    def difference(self) -> float:
        """Average precision of the second model minus that of the first."""
        return self.second - self.first

    @property
    def significant(self) -> bool:
        """Whether the interval of the difference excludes 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def difference_text(difference: float, decimals: int = 3) -> str:
    """Return a difference with its sign and so many decimals.

    Where these would be zeros there is one more, as in -0.0003: whether an interval excludes 0 must show.
    Zero has no sign.
    """
    shown = decimals if round(difference, decimals) else decimals + 1
    return f"{difference:+.{shown}f}" if round(difference, shown) else f"{0:.{decimals}f}"


def interval_text(interval: tuple[float, float], decimals: int = 3) -> str:
    """Return an interval of differences in words."""
    low, high = interval
    return f"{difference_text(low, decimals)} to {difference_text(high, decimals)}"


@dataclass(frozen=True)
class PrecisionComparison:
    """Two models on the same `images` images, by subset and for the mean of the subsets."""

    protocol: str
    images: int
    subsets: Mapping[str, Difference]
    mean: Difference


@dataclass(frozen=True)
class SavedComparison:
    """A comparison and its provenance; `models` and `weights_sha256` are in the order first, second."""

    models: tuple[str, str]
    weights_sha256: tuple[str, str]
    image_set: str
    resize: str
    input_size: int  # pixels; unused at original size
    date: str  # ISO 8601
    used_for_selection: bool  # whether the checkpoints were also selected on these images
    comparison: PrecisionComparison


def compare_precision(
    first: Sequence[Prediction], second: Sequence[Prediction], ground_truth: GroundTruth
) -> PrecisionComparison:
    """Compare the predictions of two models on the same images.

    Raises `ComparisonError` where the images differ, and `GroundTruthError` for an unknown image.
    """
    first, second = (sorted(part, key=lambda found: found.image) for part in (first, second))
    if [found.image for found in first] != [found.image for found in second]:
        raise ComparisonError("The two models were run on different images; compare them on the same ones.")
    counts = [count_by_image(part, ground_truth) for part in (first, second)]
    draws = np.vstack((np.ones((1, len(first))), bootstrap_draws(len(first))))  # the set itself comes first
    scores = [{name: found.average_precision(draws) for name, found in part.items()} for part in counts]
    reasons = {name: missing_interval(found.images_with_faces) for name, found in counts[0].items()}
    subsets = {name: _difference(scores[0][name], scores[1][name], reasons[name]) for name in scores[0]}
    means = [np.mean(list(part.values()), axis=0) for part in scores]
    mean = _difference(means[0], means[1], next(filter(None, reasons.values()), ""))
    return PrecisionComparison(ground_truth.protocol, len(first), subsets, mean)


def save_comparisons(path: Path, comparisons: Iterable[SavedComparison]) -> None:
    """Write `comparisons` as JSON; null stands for a score where no face counts."""
    document = {"comparisons": [_to_json(saved) for saved in comparisons]}
    write_files({path: f"{json.dumps(document, indent=1)}\n".encode()})


def load_comparisons(path: Path) -> list[SavedComparison]:
    """Read what `save_comparisons` wrote; raises `ComparisonError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ComparisonError(f"{path} cannot be read: {error.strerror}.") from error
    return parse_comparisons(data, str(path))


def parse_comparisons(data: bytes, name: str) -> list[SavedComparison]:
    """Read the bytes of a comparison file called `name`; raises `ComparisonError`."""
    try:
        return [_from_json(saved) for saved in json.loads(data)["comparisons"]]
    except KeyError as error:
        raise ComparisonError(
            sentence(f"{name} is not a readable comparison file: the field {error} is missing.")
        ) from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ComparisonError(sentence(f"{name} is not a readable comparison file: {error}.")) from error


def check_compared_weights(
    comparisons: Iterable[SavedComparison], sha256: Mapping[str, str], name: str
) -> None:
    """Raise `ComparisonError` unless all comparisons in a file called `name` are of the current weights.

    sha256: the checksum of the current weights by model.
    """
    for saved in comparisons:
        for model, compared in zip(saved.models, saved.weights_sha256, strict=True):
            if sha256.get(model) != compared:
                raise ComparisonError(other_weights_message(name, model, compared, sha256.get(model)))


def comparison_to_json(found: PrecisionComparison) -> dict[str, object]:
    """Return a comparison as plain values for JSON."""
    return {
        "protocol": found.protocol,
        "images": found.images,
        "subsets": {name: _difference_to_json(one) for name, one in found.subsets.items()},
        "mean": _difference_to_json(found.mean),
    }


def comparison_from_json(document: Mapping[str, object]) -> PrecisionComparison:
    """Return what `comparison_to_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
    subsets = document["subsets"]
    if not isinstance(subsets, dict):
        raise TypeError("'subsets' is not an object")
    return PrecisionComparison(
        _text(document["protocol"]),
        _whole(document["images"]),
        {_text(name): _difference_from_json(one) for name, one in subsets.items()},
        _difference_from_json(document["mean"]),
    )


def _difference(first: np.ndarray, second: np.ndarray, reason: str) -> Difference:
    """Summarise the scores (1 + R,) of two models: those of the set itself, then of R resampled ones."""
    if reason:
        return Difference(float(first[0]), float(second[0]), None, None, reason)
    one, other = first[1:], second[1:]
    ratio_interval = bootstrap_interval(other / one) if (one != 0).all() else None
    return Difference(float(first[0]), float(second[0]), bootstrap_interval(other - one), ratio_interval)


def _to_json(saved: SavedComparison) -> dict[str, object]:
    about = {name: value for name, value in vars(saved).items() if name != "comparison"}
    return {**about, **comparison_to_json(saved.comparison)}


def _difference_to_json(difference: Difference) -> dict[str, object]:
    document = asdict(difference)
    for name in ("first", "second"):
        document[name] = None if np.isnan(document[name]) else document[name]
    return document


def _from_json(document: Mapping[str, object]) -> SavedComparison:
    date = _text(document["date"])
    datetime.fromisoformat(date)
    if not isinstance(document["used_for_selection"], bool):
        raise TypeError("'used_for_selection' is not true or false")
    return SavedComparison(
        models=_two_texts(document["models"]),
        weights_sha256=_two_texts(document["weights_sha256"]),
        image_set=_text(document["image_set"]),
        resize=_text(document["resize"]),
        input_size=_whole(document["input_size"]),
        date=date,
        used_for_selection=document["used_for_selection"],
        comparison=comparison_from_json(document),
    )


def _difference_from_json(document: object) -> Difference:
    if not isinstance(document, dict):
        raise TypeError("a difference is not an object")
    return Difference(
        first=_score(document["first"]),
        second=_score(document["second"]),
        interval=_interval(document["interval"], -1.0, 1.0),
        ratio_interval=_interval(document["ratio_interval"], 0.0, float("inf")),
        no_interval=_text(document["no_interval"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _two_texts(value: object) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError(f"{value!r} is not a list of two texts")
    return _text(value[0]), _text(value[1])


def _whole(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        raise ValueError(f"{value!r} is not a number of images or pixels")
    return value


def _score(value: object) -> float:
    if value is None:
        return float("nan")
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is not an average precision")
    return float(value)


def _interval(value: object, least: float, most: float) -> tuple[float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError(f"{value!r} is not an interval")
    low, high = float(value[0]), float(value[1])
    if not least <= low <= high <= most:
        raise ValueError(f"{value!r} is not an interval")
    return low, high
