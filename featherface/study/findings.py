"""What V2 gains and loses compared with V1: one sentence per quantity, and how certain it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from featherface.evaluation.paired_bootstrap import interval_text
from featherface.profiling.latency import summary
from featherface.study.measurements import V1, V2, Accuracy, Measurements
from featherface.study.provenance import Badge

__all__ = ["Direction", "Finding", "findings"]

_LATENCY, _PRECISION = "Latency", "Average precision"
_DIFFERENCE = "Difference in average precision"


class Direction(StrEnum):
    """Whether V2 is better, as far as the measurement tells."""

    GAIN = "gain"
    LOSS = "loss"
    EVEN = "no significant difference"
    INCONCLUSIVE = "inconclusive"  # the latency run was noisy, or two separate intervals overlap
    OPEN = "not measured yet"


@dataclass(frozen=True)
class Finding:
    """What V2 changes in one respect: a sentence without its full stop, and how certain it is.

    `badge` is the origin of its numbers, measured or counted.
    """

    name: str
    direction: Direction
    sentence: str
    certainty: str
    badge: Badge


def findings(measurements: Measurements) -> tuple[Finding, ...]:
    """Return the findings on parameters, MACs, size, latency and average precision, in this order."""
    models = measurements.models
    size = models[V1].cost
    parameters = {key: model.cost.parameters for key, model in models.items()}
    macs = {key: model.cost.macs for key, model in models.items()}
    stored = {key: model.stored_bytes for key, model in models.items()}
    return (
        _counted("Parameters", parameters, "parameters", "{:,.0f}", 1, "Exact: every tensor is counted."),
        _counted(
            "Multiply-accumulates",
            macs,
            f"multiply-accumulates at {size.width} × {size.height}",
            "{:.3f} G",
            1e9,
            "Exact for convolutions, deformable ones included, and batch norm; activations, pooling and "
            "sampling are not counted.",
        ),
        _counted(
            "Weights size",
            stored,
            "bytes of weights",
            "{:.2f} MB",
            1e6,
            "Exact: the bytes of the float32 weights.",
        ),
        _latency(measurements),
        _precision(measurements),
    )


def _counted(
    name: str, values: Mapping[str, int], words: str, form: str, unit: float, certainty: str
) -> Finding:
    """Judge an exact count, of which less is better."""
    change = values[V2] / values[V1] - 1
    first, second = (form.format(values[key] / unit) for key in (V1, V2))
    sentence = f"{abs(change):.0%} {'fewer' if change < 0 else 'more'} {words}: {second} instead of {first}"
    direction = Direction.GAIN if change < 0 else Direction.LOSS if change > 0 else Direction.EVEN
    return Finding(name, direction, sentence, certainty, Badge.COUNTED)


def _latency(measurements: Measurements) -> Finding:
    latency, found, noise = measurements.latency, measurements.speed_up, measurements.noise
    if latency is None or found is None or noise is None:
        return _measured(_LATENCY, Direction.OPEN, "Latency on this machine", "No benchmark has run yet.")
    settings = latency.settings
    medians = {key: summary(latency, key).median for key in measurements.models}
    if noise.noisy:
        direction, words = Direction.INCONCLUSIVE, "Latency inconclusive (noisy run)"
    elif found.low > 1:
        direction, words = Direction.GAIN, f"{found.ratio:.2f} times faster"
    elif found.high < 1:
        direction, words = Direction.LOSS, f"{1 / found.ratio:.2f} times slower"
    else:
        direction, words = Direction.EVEN, "No significant difference in speed"
    certainty = (
        f"95% confidence interval of the speed-up {found.low:.2f} to {found.high:.2f}, from {latency.rounds} "
        f"alternating rounds at {settings.width} × {settings.height} on {settings.threads_text}. Other "
        "machines differ."
    )
    if noise.noisy:
        certainty = (
            "This run was noisy; treat the result and its confidence interval as unreliable. "
            f"{' '.join(noise.reasons)} {certainty}"
        )
    sentence = f"{words}: {medians[V2]:.1f} ms per image instead of {medians[V1]:.1f} ms"
    return _measured(_LATENCY, direction, sentence, certainty)


def _precision(measurements: Measurements) -> Finding:
    pair, comparison = measurements.accuracies, measurements.comparison
    if pair is None or comparison is None:
        return _measured(_PRECISION, Direction.OPEN, _DIFFERENCE, measurements.accuracy_obstacle)
    first, second = pair
    found = comparison.mean
    if found.interval is None:
        reason = f"No confidence interval: {found.no_interval}"
        return _measured(_PRECISION, Direction.OPEN, _DIFFERENCE, reason)
    if found.significant:
        direction = Direction.GAIN if found.difference > 0 else Direction.LOSS
    else:
        direction = Direction.EVEN
    words = {
        Direction.GAIN: f"Average precision {found.difference:.3f} higher",
        Direction.LOSS: f"Average precision {-found.difference:.3f} lower",
        Direction.EVEN: "No significant difference in average precision",
    }
    certainty = (
        f"95% paired confidence interval of the mean difference {interval_text(found.interval)}, both models "
        f"on the same {first.images:,} images ({first.protocol}). {measurements.selection_note}"
    ).rstrip()
    return _measured(_PRECISION, direction, f"{words[direction]}: {_subsets(first, second)}", certainty)


def _measured(name: str, direction: Direction, sentence: str, certainty: str) -> Finding:
    return Finding(name, direction, sentence, certainty, Badge.MEASURED)


def _subsets(first: Accuracy, second: Accuracy) -> str:
    changes = [
        f"{name} {getattr(second, name):.3f} instead of {getattr(first, name):.3f}"
        for name in ("easy", "medium", "hard")
    ]
    return ", ".join(changes)
