"""The five headline numbers of V1 and V2, each with its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featherface.evaluation.paired_bootstrap import interval_text
from featherface.profiling.latency import summary
from featherface.study.measurements import SELECTION_REMARK, V1, V2, Accuracy, Measurements
from featherface.study.provenance import Quantity, counted, measured
from featherface.study.recomputation import (
    MACS_COMMAND,
    PARAMETERS_COMMAND,
    PRECISION_COMMAND,
    STUDY_COMMAND,
    latency_command,
)

__all__ = ["Headline", "headlines"]

_EXACT = "Exact"


@dataclass(frozen=True)
class Headline:
    """One number of both models; a value is None where it has not been measured.

    `change` is V2's value over V1's, minus 1: -0.57 where V2 has 57% less. None where the two do not compare.
    `certainty` says in a few words how certain that is, `command` recomputes the number.
    """

    name: str
    values: Mapping[str, Quantity | None]
    more_is_better: bool
    change: float | None
    certainty: str = ""
    command: str = ""


def headlines(measurements: Measurements) -> tuple[Headline, ...]:
    """Return parameters, MACs, latency, size and average precision, in this order."""
    models = measurements.models
    size = models[V1].cost
    parameters = {
        key: counted(model.cost.parameters, "parameters", "sum over the network")
        for key, model in models.items()
    }
    macs = {
        key: counted(model.cost.macs, "MACs", f"layer by layer at {size.width} × {size.height}")
        for key, model in models.items()
    }
    stored = {
        key: counted(model.stored_bytes, "bytes", "float32 tensors of the state dict")
        for key, model in models.items()
    }
    precision = {key: _precision(model.accuracy) for key, model in models.items()}
    return (
        _headline("Parameters", parameters, _EXACT, PARAMETERS_COMMAND),
        _headline("Multiply-accumulates", macs, _EXACT, MACS_COMMAND),
        _headline(
            "Latency", _times(measurements), _speed_up(measurements), latency_command(measurements.latency)
        ),
        _headline("Weights size", stored, _EXACT, STUDY_COMMAND),
        _headline(
            "Average precision",
            precision,
            _precision_difference(measurements),
            PRECISION_COMMAND,
            more_is_better=True,
            comparable=measurements.accuracies is not None,
        ),
    )


def _headline(
    name: str,
    values: Mapping[str, Quantity | None],
    certainty: str,
    command: str,
    *,
    more_is_better: bool = False,
    comparable: bool = True,
) -> Headline:
    first, second = values[V1], values[V2]
    change = second.value / first.value - 1 if first and second and comparable else None
    return Headline(name, values, more_is_better, change, certainty, command)


def _speed_up(measurements: Measurements) -> str:
    found, noise = measurements.speed_up, measurements.noise
    if found is None or noise is None:
        return ""
    if noise.noisy:
        return f"Speed-up {found.ratio:.2f}, unreliable: noisy run"
    return f"Speed-up {found.ratio:.2f} (95% CI {found.low:.2f} to {found.high:.2f})"


def _precision_difference(measurements: Measurements) -> str:
    comparison = measurements.comparison
    if measurements.accuracies is None or comparison is None or comparison.mean.interval is None:
        return ""
    return f"Difference, 95% CI {interval_text(comparison.mean.interval)}"


def _times(measurements: Measurements) -> Mapping[str, Quantity | None]:
    latency = measurements.latency
    if latency is None:
        return dict.fromkeys(measurements.models)
    settings = latency.settings
    point = f"{settings.width} × {settings.height}, {settings.threads_text}"
    how = f"median of {latency.rounds} rounds at {point}: {', '.join(latency.stages)}"
    return {
        key: measured(summary(latency, key).median, "ms", how, latency.when, latency.machine)
        for key in measurements.models
    }


def _precision(accuracy: Accuracy | None) -> Quantity | None:
    if accuracy is None:
        return None
    source = f"mean of easy, medium and hard; {accuracy.protocol}; {accuracy.source}"
    if accuracy.used_for_selection:
        source += SELECTION_REMARK
    return Quantity(accuracy.mean, "AP", accuracy.badge, source)
