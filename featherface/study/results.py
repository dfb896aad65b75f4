"""What lies beside the weights: how good they are, and how they came to be; and the networks to measure.

`evaluation/*.json` are curves files, as `python -m featherface evaluate --curves` writes them.
`training/MODEL_STAGE_log.csv` and `..._scores.csv` are the trainer's logs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, nan
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from featherface.checkpoints import WeightsError, load_network, shipped_weights
from featherface.evaluation.curves import CurvesError, SavedCurves, load_curves
from featherface.models import MODELS
from featherface.study.measurements import Accuracy
from featherface.study.provenance import Badge

__all__ = [
    "OFFICIAL_SUBSETS",
    "TrainingLog",
    "accuracies",
    "accuracy",
    "input_words",
    "load_networks",
    "shipped_accuracies",
    "shipped_checksums",
    "shipped_curves",
    "training_logs",
]

_LOG = logging.getLogger(__name__)

OFFICIAL_SUBSETS = ("easy", "medium", "hard")
_EVALUATION, _TRAINING = "evaluation", "training"  # folders beside the weights
_UNTRAINED = "seeded, untrained; cost does not depend on it"


@dataclass(frozen=True, eq=False)
class TrainingLog:
    """What the trainer wrote down of one stage of one model's training.

    losses: `time`, `step`, `learning_rate`, `mean` and one column a loss. scores: `step` and the average
    precision on development pictures by subset, 0..1; None where nothing was scored.
    """

    model: str  # key in MODELS
    stage: str
    losses: pd.DataFrame
    scores: pd.DataFrame | None


def load_networks(folder: Path) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """Return each model with its shipped weights, or seeded where there are none, and in words which.

    For cost and latency, which do not depend on the weights; damaged files count as none.
    """
    networks, words = {}, {}
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
    found: list[SavedCurves] = []
    for path in sorted((folder / _EVALUATION).glob("*.json")):
        try:
            found += load_curves(path)
        except CurvesError:
            _LOG.exception("%s is not used.", path.name)
    return [saved for saved in found if saved.model in MODELS]


def accuracy(saved: SavedCurves) -> Accuracy | None:
    """Return easy, medium and hard average precision; None where one of them was not measured."""
    scores = saved.evaluation.scores()
    found = {name: scores.get(name, nan) for name in OFFICIAL_SUBSETS}
    if not all(isfinite(score) for score in found.values()):
        return None
    return Accuracy(
        **found,
        protocol=f"{saved.evaluation.protocol}, {saved.image_set}, {input_words(saved)}",
        images=saved.evaluation.images,
        badge=Badge.MEASURED,
        source=f"weights {saved.weights_sha256[:12]}, {saved.date}",
    )


def input_words(saved: SavedCurves) -> str:
    """Say at what size the pictures went in."""
    words = {"original": "original size", "fit": f"longer side {saved.side}"}
    return words.get(saved.resize, f"stretched to {saved.side} x {saved.side}")


def accuracies(curves: Iterable[SavedCurves], sha256: Mapping[str, str]) -> dict[str, Accuracy]:
    """Return by model the average precision to go by, as far as measured with the weights `sha256` by model.

    Of several sets of pictures and input sizes the one on which most models were scored, then the one with
    most pictures, so that the models' figures compare wherever that is possible.
    """
    runs: dict[tuple[str, int], dict[str, Accuracy]] = {}
    for saved in curves:
        scored = accuracy(saved)
        if scored is not None and sha256.get(saved.model) == saved.weights_sha256:
            runs.setdefault((scored.protocol, scored.images), {})[saved.model] = scored
    return max(runs.items(), key=lambda run: (len(run[1]), run[0][1]), default=(None, {}))[1]


def shipped_checksums(folder: Path) -> dict[str, str]:
    """Return the checksum of each model's weights in `folder`; models without usable ones are absent."""
    checksums = {}
    for key, entry in MODELS.items():
        with suppress(WeightsError):
            shipped = shipped_weights(entry, folder)
            if shipped is not None:
                checksums[key] = shipped.sha256
    return checksums


def shipped_accuracies(folder: Path) -> dict[str, Accuracy]:
    """Return `accuracies` of the weights in `folder` by the evaluations beside them."""
    return accuracies(shipped_curves(folder), shipped_checksums(folder))


def training_logs(folder: Path) -> list[TrainingLog]:
    """Return the trainer's logs beside the weights in `folder`; unreadable files are logged."""
    found = []
    for path in sorted((folder / _TRAINING).glob("*_log.csv")):
        model, _, stage = path.name.removesuffix("_log.csv").partition("_")
        try:
            losses = _table(path, ("step", "mean"))  # of a step done twice, after a restart, the later one
            scored = path.with_name(path.name.replace("_log.csv", "_scores.csv"))
            scores = _table(scored, ("step",)) if scored.exists() else None
        except (OSError, ValueError, TypeError, OverflowError):
            _LOG.exception("%s is not used.", path.name)
            continue
        if model in MODELS:
            found.append(TrainingLog(model, stage.replace("_", " "), losses, scores))
    return found


def _table(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    table = pd.read_csv(path)
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"{path.name} has no column {missing[0]}.")
    if table.empty:
        raise ValueError(f"{path.name} has no line.")
    numbers = [name for name in table if name != "time"]
    table[numbers] = table[numbers].apply(pd.to_numeric)
    for when in table.get("time", ()):
        if isinstance(when, str):
            datetime.fromisoformat(when)  # raises for what is no time
    return table.drop_duplicates("step", keep="last").sort_values("step", ignore_index=True)
