"""The results stored beside the weights, the training logs, and the networks to measure.

- `evaluation/*.json`: precision-recall curves, written by `featherface evaluate --curves`
- `evaluation/paired/*.json`: paired comparisons, by `featherface evaluate --comparison`
- `evaluation/pruning/*.json`: pruning curves, by `featherface prune`
- `evaluation/pruned_training/*.json`: pruned networks before and after training, by the same command
- `evaluation/hard_cases/*.json`: close-ups and images without faces, by `python -m benchmarks.hard_cases`
- `evaluation/engines/*.json`: average precision by engine and precision, by `featherface engines`
- `training/MODEL_STAGE_log.csv` and `..._scores.csv`: the trainer's logs

A result counts only for the weights that it was measured with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, nan
from pathlib import Path
from typing import TypeVar

import pandas as pd
import torch
from torch import nn

from featherface.checkpoints import WeightsError, load_network, shipped_weights
from featherface.errors import FeatherFaceError
from featherface.evaluation.curves import CurvesError, SavedCurves, load_curves
from featherface.evaluation.engine_accuracy import (
    EngineAccuracy,
    EngineAccuracyError,
    load_engine_accuracy,
)
from featherface.evaluation.hard_case_results import HardCasesError, SavedHardCases, load_hard_cases
from featherface.evaluation.paired_bootstrap import (
    ComparisonError,
    PrecisionComparison,
    SavedComparison,
    load_comparisons,
)
from featherface.models import MODELS
from featherface.study.measurements import STUDY_MODELS, V1, Accuracy
from featherface.study.provenance import Badge
from featherface.study.pruned_training import (
    PrunedTraining,
    PrunedTrainingError,
    load_pruned_training,
)
from featherface.study.pruning_curve import PruningCurve, PruningCurveError, load_pruning_curve

__all__ = [
    "OFFICIAL_SUBSETS",
    "TrainingLog",
    "accuracies",
    "accuracy",
    "input_words",
    "load_networks",
    "paired_comparison",
    "shipped_checksums",
    "shipped_comparisons",
    "shipped_curves",
    "shipped_engines",
    "shipped_hard_cases",
    "shipped_pruned_training",
    "shipped_pruning",
    "training_logs",
]

_LOG = logging.getLogger(__name__)
_Loaded = TypeVar("_Loaded")

OFFICIAL_SUBSETS = ("easy", "medium", "hard")
_EVALUATION, _TRAINING = "evaluation", "training"  # folders beside the weights
_PAIRED, _PRUNING, _PRUNED_TRAINING, _ENGINES, _HARD_CASES = (
    "paired",
    "pruning",
    "pruned_training",
    "engines",
    "hard_cases",
)  # folders in "evaluation"
_UNTRAINED = "seeded, untrained (cost and latency do not depend on it)"


@dataclass(frozen=True, eq=False)
class TrainingLog:
    """The trainer's log of one stage of one model's training.

    losses: `time`, `step`, `learning_rate`, `mean` and one column per loss. scores: `step` and the average
    precision on development images by subset, 0..1; None where nothing was scored.
    """

    model: str  # key in MODELS
    stage: str
    losses: pd.DataFrame
    scores: pd.DataFrame | None


def load_networks(folder: Path) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """Return each model with its shipped weights, or seeded if there are none, and a description of them.

    For cost and latency, which do not depend on the weights; damaged files count as none.
    """
    networks: dict[str, nn.Module] = {}
    words: dict[str, str] = {}
    for key, entry in MODELS.items():
        try:
            shipped = shipped_weights(entry, folder)
            if shipped is not None:
                networks[key] = load_network(entry, shipped.path, shipped.sha256)
                words[key] = f"shipped, sha256 {shipped.sha256}"
        except WeightsError:
            _LOG.exception("The shipped weights of %s are not used.", entry.name)
        if key not in networks:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                networks[key], words[key] = entry.builder().eval(), _UNTRAINED
    return networks, words


def shipped_curves(folder: Path) -> list[SavedCurves]:
    """Return the evaluations beside the weights in `folder`, file by file; unreadable files are logged."""
    files = _readable(folder / _EVALUATION, load_curves, CurvesError)
    return [saved for curves in files for saved in curves if saved.model in MODELS]


def accuracy(saved: SavedCurves) -> Accuracy | None:
    """Return easy, medium and hard average precision; None where one of them was not measured."""
    scores = saved.evaluation.scores()
    found = {name: scores.get(name, nan) for name in OFFICIAL_SUBSETS}
    if not all(isfinite(score) for score in found.values()):
        return None
    return Accuracy(
        **found,
        protocol=_protocol_words(saved, saved.evaluation.protocol),
        images=saved.evaluation.images,
        badge=Badge.MEASURED,
        source=f"weights {saved.weights_sha256[:12]}, {saved.date[:10]}",
        mean_interval=saved.evaluation.mean_interval,
        used_for_selection=saved.used_for_selection,
    )


def input_words(saved: SavedCurves | SavedComparison) -> str:
    """Return the input size of an evaluation in words."""
    words = {"original": "original size", "fit": f"longer side {saved.input_size}"}
    return words.get(saved.resize, f"stretched to {saved.input_size} × {saved.input_size}")


def accuracies(curves: Iterable[SavedCurves], sha256: Mapping[str, str]) -> dict[str, Accuracy]:
    """Return the average precision of each model that was measured with its weights, `sha256` by model.

    Of several image sets and input sizes, the one on which most models were scored, so that they compare;
    then one on which no checkpoint was selected; then the one with most images.
    """
    runs: dict[tuple[str, int], dict[str, Accuracy]] = {}
    for saved in curves:
        scored = accuracy(saved)
        if scored is not None and sha256.get(saved.model) == saved.weights_sha256:
            runs.setdefault((scored.protocol, scored.images), {})[saved.model] = scored
    return max(runs.values(), key=_preference, default={})


def paired_comparison(
    found: Iterable[SavedComparison], sha256: Mapping[str, str], scored: Mapping[str, Accuracy]
) -> PrecisionComparison | None:
    """Return the comparison of the study's models with the weights `sha256` on the images of `scored`.

    None where there is none: of other weights, other images or another input size.
    """
    accuracy_of = scored.get(V1)
    weights = tuple(sha256.get(key) for key in STUDY_MODELS)
    for saved in found:
        here = _protocol_words(saved, saved.comparison.protocol), saved.comparison.images
        alike = accuracy_of is not None and here == (accuracy_of.protocol, accuracy_of.images)
        if alike and saved.models == STUDY_MODELS and saved.weights_sha256 == weights:
            return saved.comparison
    return None


def shipped_comparisons(folder: Path) -> list[SavedComparison]:
    """Return the paired comparisons beside the weights in `folder`; unreadable files are logged."""
    files = _readable(folder / _EVALUATION / _PAIRED, load_comparisons, ComparisonError)
    return [saved for comparisons in files for saved in comparisons]


def shipped_pruning(folder: Path, sha256: Mapping[str, str]) -> dict[str, PruningCurve]:
    """Return the pruning curve of each model that was measured with its weights, `sha256` by model."""
    found: dict[str, PruningCurve] = {}
    for curve in _readable(folder / _EVALUATION / _PRUNING, load_pruning_curve, PruningCurveError):
        if sha256.get(curve.model) == curve.weights_sha256:
            found[curve.model] = curve
    return found


def shipped_pruned_training(folder: Path, sha256: Mapping[str, str]) -> dict[str, PrunedTraining]:
    """Return the pruned and trained networks of each model that were made of its weights."""
    found: dict[str, PrunedTraining] = {}
    for measured in _readable(
        folder / _EVALUATION / _PRUNED_TRAINING, load_pruned_training, PrunedTrainingError
    ):
        if sha256.get(measured.model) == measured.weights_sha256:
            found[measured.model] = measured
    return found


def shipped_engines(folder: Path, sha256: Mapping[str, str]) -> dict[str, EngineAccuracy]:
    """Return the average precision by engine of each model measured with its weights, `sha256` by model."""
    found: dict[str, EngineAccuracy] = {}
    for measured in _readable(folder / _EVALUATION / _ENGINES, load_engine_accuracy, EngineAccuracyError):
        if sha256.get(measured.model) == measured.weights_sha256:
            found[measured.model] = measured
    return found


def shipped_hard_cases(folder: Path, sha256: Mapping[str, str]) -> list[SavedHardCases]:
    """Return the results on hard cases of models that were measured with their weights, `sha256` by model."""
    found: dict[str, SavedHardCases] = {}
    for results in _readable(folder / _EVALUATION / _HARD_CASES, load_hard_cases, HardCasesError):
        found |= {saved.model: saved for saved in results if sha256.get(saved.model) == saved.weights_sha256}
    return [found[key] for key in MODELS if key in found]


def shipped_checksums(folder: Path) -> dict[str, str]:
    """Return the checksum of each model's weights in `folder`; models without usable ones are absent."""
    checksums = {}
    for key, entry in MODELS.items():
        with suppress(WeightsError):
            shipped = shipped_weights(entry, folder)
            if shipped is not None:
                checksums[key] = shipped.sha256
    return checksums


def training_logs(folder: Path) -> list[TrainingLog]:
    """Return the trainer's logs beside the weights in `folder`; unreadable files are logged."""
    found = []
    for path in sorted((folder / _TRAINING).glob("*_log.csv")):
        model, _, stage = path.name.removesuffix("_log.csv").partition("_")
        try:
            losses = _table(path, ("step", "mean"))  # of a step repeated after a restart, the later one
            scored = path.with_name(path.name.replace("_log.csv", "_scores.csv"))
            scores = _table(scored, ("step",)) if scored.exists() else None
        except (OSError, ValueError, TypeError, OverflowError):
            _LOG.exception("%s is not used.", path.name)
            continue
        if model in MODELS:
            found.append(TrainingLog(model, stage.replace("_", " "), losses, scores))
    return found


def _protocol_words(saved: SavedCurves | SavedComparison, protocol: str) -> str:
    return f"{saved.image_set}, {input_words(saved)}, {protocol} protocol"


def _preference(run: Mapping[str, Accuracy]) -> tuple[int, bool, int]:
    scored = list(run.values())
    held_out = not any(accuracy.used_for_selection for accuracy in scored)
    return len(scored), held_out, scored[0].images


def _table(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    table = pd.read_csv(path)
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"{path.name} has no column {missing[0]}.")
    if table.empty:
        raise ValueError(f"{path.name} has no rows.")
    for name in table.columns.drop("time", errors="ignore"):
        table[name] = pd.to_numeric(table[name])
    for when in table.get("time", ()):
        if isinstance(when, str):
            datetime.fromisoformat(when)  # raises for a malformed time
    return table.drop_duplicates("step", keep="last").sort_values("step", ignore_index=True)


def _readable(
    folder: Path, load: Callable[[Path], _Loaded], unreadable: type[FeatherFaceError]
) -> Iterator[_Loaded]:
    """Yield what `load` reads from each JSON file in `folder`, by name; `unreadable` ones are logged."""
    for path in sorted(folder.glob("*.json")):
        try:
            loaded = load(path)
        except unreadable:
            _LOG.exception("%s is not used.", path.name)
        else:
            yield loaded
