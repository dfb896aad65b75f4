"""The study's pruning claim, measured: average precision of a network without its smallest weights.

`python -m featherface.study.pruning_curve --help` measures it and writes the file that the audit reads.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import nn

from featherface.checkpoints import load_network, shipped_weights
from featherface.config import WEIGHTS_DIR
from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.ground_truth import GroundTruth, manifest_ground_truth, wider_ground_truth
from featherface.evaluation.image_sets import EncodedImage, manifest_images
from featherface.evaluation.manifest import read_manifest
from featherface.evaluation.paired_bootstrap import compare_precision
from featherface.evaluation.predictions import Prediction
from featherface.evaluation.run import Predictor, predict_images
from featherface.files import write_files
from featherface.models import MODELS
from featherface.profiling.machine import now
from featherface.profiling.pruning import pruned

__all__ = [
    "PRUNED_SHARES",
    "PrunedScore",
    "PruningCurve",
    "PruningCurveError",
    "load_pruning_curve",
    "measure_pruning",
    "save_pruning_curve",
    "tolerated_share",
]

PRUNED_SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)  # the study names 10 to 20%


class PruningCurveError(FeatherFaceError):
    """A pruning curve cannot be measured or read; the message names the file or the model."""


@dataclass(frozen=True)
class PrunedScore:
    """A network with `share` of its weights at zero: its mean average precision, 0..1, and the change.

    `interval` is the 95% paired bootstrap interval of the change, against the whole network on these images.
    """

    share: float
    score: float
    interval: tuple[float, float]

    @property
    def loses(self) -> bool:
        """Return whether average precision is significantly lower than the whole network's."""
        return self.interval[1] < 0


@dataclass(frozen=True)
class PruningCurve:
    """Scores of one model by rising share, and how they were measured; `whole` is the unpruned score."""

    model: str  # key in MODELS
    weights_sha256: str
    image_set: str
    images: int
    protocol: str
    date: str  # ISO 8601
    used_for_selection: bool  # whether these images also chose the checkpoint
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
    whole = _predictions(network, images)
    score, scores = 0.0, []
    for share in shares:
        mean = compare_precision(whole, _predictions(pruned(network, share), images), ground_truth).mean
        if mean.interval is None:
            raise PruningCurveError(f"Pruning cannot be judged on these images. {mean.no_interval}")
        score = mean.first
        scores.append(PrunedScore(share, mean.second, mean.interval))
    return score, tuple(scores)


def tolerated_share(curve: PruningCurve) -> float:
    """Return the largest measured share up to which no score is significantly lower; 0 if there is none."""
    tolerated = 0.0
    for point in curve.scores:
        if point.loses:
            break
        tolerated = point.share
    return tolerated


def save_pruning_curve(path: Path, curve: PruningCurve) -> None:
    """Write `curve` as JSON."""
    scores = [vars(point) for point in curve.scores]
    write_files({path: f"{json.dumps({**vars(curve), 'scores': scores}, indent=1)}\n".encode()})


def load_pruning_curve(path: Path) -> PruningCurve:
    """Read what `save_pruning_curve` wrote; raises `PruningCurveError`."""
    try:
        return _parsed(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PruningCurveError(sentence(f"{path} is not a readable pruning curve: {error}.")) from error


def _predictions(network: nn.Module, images: Sequence[EncodedImage]) -> list[Prediction]:
    return predict_images(Predictor(network), images)


def _parsed(document: Mapping[str, Any]) -> PruningCurve:
    texts = ("model", "weights_sha256", "image_set", "protocol", "date")
    wrong = [name for name in texts if not isinstance(document[name], str)]
    if wrong:
        raise TypeError(f"{wrong[0]!r} is not text")
    datetime.fromisoformat(document["date"])
    if not isinstance(document["used_for_selection"], bool) or not isinstance(document["images"], int):
        raise TypeError("'used_for_selection' or 'images' is of another type")
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


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m featherface.study.pruning_curve", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="images and boxes")
    parser.add_argument("--source", metavar="NAME", help="only the images of this source in the manifest")
    parser.add_argument("--ground-truth", type=Path, metavar="DIR", help="folder of wider_*_val.mat files")
    parser.add_argument(
        "--image-set", metavar="NAME", help="name of the images, for people (default: the file)"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use every Nth image only")
    parser.add_argument("--model", default="v2", choices=tuple(MODELS))
    parser.add_argument("--used-for-selection", action="store_true", help="the images chose the checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    weights = shipped_weights(MODELS[arguments.model], WEIGHTS_DIR)
    if weights is None:
        raise PruningCurveError(
            f"{MODELS[arguments.model].name} has no trained weights, so nothing to prune."
        )
    records = read_manifest(arguments.manifest, arguments.source)[:: arguments.every]
    official = arguments.ground_truth is not None
    truth = wider_ground_truth(arguments.ground_truth) if official else manifest_ground_truth(records)
    network = load_network(MODELS[arguments.model], weights.path, weights.sha256)
    whole, scores = measure_pruning(network, manifest_images(records), truth)
    name = arguments.image_set or ", ".join(filter(None, (arguments.manifest.name, arguments.source)))
    save_pruning_curve(
        arguments.out,
        PruningCurve(
            model=arguments.model,
            weights_sha256=weights.sha256,
            image_set=name if arguments.every == 1 else f"{name}, one image in {arguments.every}",
            images=len(records),
            protocol=truth.protocol,
            date=now(),
            used_for_selection=arguments.used_for_selection,
            whole=whole,
            scores=scores,
        ),
    )


if __name__ == "__main__":
    _main()
