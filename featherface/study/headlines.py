"""The five numbers that a person wants first, V1 against V2, each with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featherface.profiling.latency import summary
from featherface.study.measurements import Accuracy, Measurements
from featherface.study.provenance import Quantity, counted, measured

__all__ = ["Headline", "headlines"]


@dataclass(frozen=True)
class Headline:
    """One number of both models; a value is None where there is none yet.

    `change` is the second model's value over the first's, less 1: -0.57 where V2 has 57 % less.
    """

    name: str
    values: Mapping[str, Quantity | None]
    more_is_better: bool
    change: float | None


def headlines(measurements: Measurements) -> tuple[Headline, ...]:
    """Parameters, MACs, time, size and average precision, in this order."""
    models = measurements.models
    size = next(iter(models.values())).cost
    parameters = {
        key: counted(model.cost.parameters, "parameters", "summed over the network")
        for key, model in models.items()
    }
    macs = {
        key: counted(model.cost.macs, "MACs", f"layer by layer at {size.width} x {size.height}")
        for key, model in models.items()
    }
    stored = {
        key: counted(model.stored_bytes, "bytes", "float32 tensors of the state dict")
        for key, model in models.items()
    }
    precision = {key: _precision(model.accuracy) for key, model in models.items()}
    return (
        _headline("Parameters", parameters),
        _headline("Multiply-accumulates", macs),
        _headline("Time", _times(measurements)),
        _headline("Size of the weights", stored),
        _headline("Average precision", precision, more_is_better=True),
    )


def _headline(name: str, values: Mapping[str, Quantity | None], *, more_is_better: bool = False) -> Headline:
    first, second, *_ = values.values()
    change = second.value / first.value - 1 if first and second else None
    return Headline(name, values, more_is_better, change)


def _times(measurements: Measurements) -> Mapping[str, Quantity | None]:
    latency = measurements.latency
    if latency is None:
        return dict.fromkeys(measurements.models)
    settings = latency.settings
    point = f"{settings.width} x {settings.height}, {settings.threads} threads"
    how = f"median of {latency.rounds} rounds at {point}: {', '.join(latency.stages)}"
    return {
        key: measured(summary(latency, key).median, "ms", how, latency.when, latency.machine)
        for key in measurements.models
    }


def _precision(accuracy: Accuracy | None) -> Quantity | None:
    if accuracy is None:
        return None
    source = f"mean of easy, medium and hard; {accuracy.protocol}; {accuracy.source}"
    return Quantity(accuracy.mean, "AP", accuracy.badge, source)
