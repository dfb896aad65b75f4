"""The study's radar chart, every axis computed from measurements; one without them is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featherface.profiling.latency import summary
from featherface.study.measurements import V1, V2, Measurements

__all__ = ["Axis", "MissingAxis", "Radar", "radar"]


@dataclass(frozen=True)
class Axis:
    """One axis: more is better, 1 is the better model (for accuracy: a perfect one).

    `ratio` is V2's raw value over V1's.
    """

    name: str
    formula: str
    scores: Mapping[str, float]  # 0 to 1, by model key
    ratio: float


@dataclass(frozen=True)
class MissingAxis:
    """An axis that cannot be drawn, and what it needs."""

    name: str
    formula: str
    needs: str


@dataclass(frozen=True)
class Radar:
    """The axes in the order of the study: measured and missing ones."""

    axes: tuple[Axis, ...]
    missing: tuple[MissingAxis, ...]


_PARAMETERS = "Parameters (inverse)", "fewest parameters / own parameters"
_MACS = "FLOPs (inverse)", "fewest MACs / own MACs at {width} × {height}; one MAC is two FLOPs"
_SPEED = "Speed", "lowest median latency / own median latency"
_ACCURACY = "Accuracy", "mean of easy, medium and hard average precision"
_EFFICIENCY = (
    "Efficiency",
    "(average precision per GMAC) / the best model's; the ratio is V2 / V1",
)


def radar(measurements: Measurements) -> Radar:
    """Return every axis that the measurements allow."""
    models = measurements.models
    name, formula = _MACS
    size = models[V1].cost
    axes = [
        _relative(*_PARAMETERS, {key: 1 / model.cost.parameters for key, model in models.items()}),
        _relative(
            name,
            formula.format(width=size.width, height=size.height),
            {key: 1 / model.cost.macs for key, model in models.items()},
        ),
    ]
    missing = []
    if measurements.latency:
        speeds = {key: 1 / summary(measurements.latency, key).median for key in models}
        axes.append(_relative(*_SPEED, speeds))
    else:
        missing.append(MissingAxis(*_SPEED, "a benchmark on this machine"))
    if measurements.accuracies is not None:
        precision = dict(zip((V1, V2), (found.mean for found in measurements.accuracies), strict=True))
        axes.append(Axis(*_ACCURACY, precision, _ratio(precision)))
        per_mac = {key: precision[key] / model.cost.macs for key, model in models.items()}
        axes.append(_relative(*_EFFICIENCY, per_mac))
    else:
        needs = "the average precision of both models on the same images"
        missing += [MissingAxis(*_ACCURACY, needs), MissingAxis(*_EFFICIENCY, needs)]
    return Radar(tuple(axes), tuple(missing))


def _relative(name: str, formula: str, values: Mapping[str, float]) -> Axis:
    best = max(values.values())
    return Axis(name, formula, {key: value / best for key, value in values.items()}, _ratio(values))


def _ratio(values: Mapping[str, float]) -> float:
    return values[V2] / values[V1]
