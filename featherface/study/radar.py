"""The study's radar, every axis computed from measurements; an axis that lacks one is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featherface.profiling.latency import summary
from featherface.study.measurements import Measurements

__all__ = ["Axis", "MissingAxis", "Radar", "radar"]


@dataclass(frozen=True)
class Axis:
    """One axis: more is better, 1 is the better model (for accuracy: a perfect one).

    `ratio` is the second model's raw value over the first's: V2 relative to V1.
    """

    name: str
    formula: str
    scores: Mapping[str, float]  # 0 to 1, by model key
    ratio: float


@dataclass(frozen=True)
class MissingAxis:
    """An axis that cannot be drawn yet, and what it waits for."""

    name: str
    formula: str
    needs: str


@dataclass(frozen=True)
class Radar:
    """The axes in the order of the study, those that were measured and those that were not."""

    axes: tuple[Axis, ...]
    missing: tuple[MissingAxis, ...]


_PARAMETERS = "Parameters (inverse)", "fewest parameters / own parameters"
_MACS = "FLOPs (inverse)", "fewest MACs / own MACs at the input size shown; a MAC is two FLOPs"
_SPEED = "Speed", "shortest median time / own median time"
_ACCURACY = "Accuracy", "mean of easy, medium and hard average precision"
_EFFICIENCY = (
    "Efficiency",
    "(average precision / GMAC) / the best model's; the ratio is V2's relative to V1's",
)


def radar(measurements: Measurements) -> Radar:
    """Compute what the measurements allow."""
    models = measurements.models
    axes = [
        _relative(*_PARAMETERS, {key: 1 / model.cost.parameters for key, model in models.items()}),
        _relative(*_MACS, {key: 1 / model.cost.macs for key, model in models.items()}),
    ]
    missing = []
    if measurements.latency:
        speeds = {key: 1 / summary(measurements.latency, key).median for key in models}
        axes.append(_relative(*_SPEED, speeds))
    else:
        missing.append(MissingAxis(*_SPEED, "a benchmark on this machine"))
    if all(model.accuracy for model in models.values()):
        precision = {key: model.accuracy.mean for key, model in models.items()}
        axes.append(Axis(*_ACCURACY, precision, _ratio(precision)))
        per_mac = {key: precision[key] / model.cost.macs for key, model in models.items()}
        axes.append(_relative(*_EFFICIENCY, per_mac))
    else:
        unmeasured = ", ".join(key.upper() for key, model in models.items() if model.accuracy is None)
        needs = f"the average precision of {unmeasured}"
        missing += [MissingAxis(*_ACCURACY, needs), MissingAxis(*_EFFICIENCY, needs)]
    return Radar(tuple(axes), tuple(missing))


def _relative(name: str, formula: str, values: Mapping[str, float]) -> Axis:
    best = max(values.values())
    return Axis(name, formula, {key: value / best for key, value in values.items()}, _ratio(values))


def _ratio(values: Mapping[str, float]) -> float:
    first, second, *_ = values.values()
    return second / first
