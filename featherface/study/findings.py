"""What V2 gains and loses against V1 in words, number by number, and how sure each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from featherface.profiling.latency import summary
from featherface.study.measurements import Accuracy, Measurements
from featherface.study.recommendations import NOTICEABLE_LOSS

__all__ = ["Direction", "Finding", "findings"]


class Direction(StrEnum):
    """Whether V2 is better, as far as the measurement can tell."""

    GAIN = "gain"
    LOSS = "loss"
    EVEN = "no difference shown"
    OPEN = "not yet measured"


@dataclass(frozen=True)
class Finding:
    """What V2 changes in one respect: a sentence without its full stop, and how far it can be trusted."""

    direction: Direction
    sentence: str
    sureness: str


def findings(measurements: Measurements) -> tuple[Finding, ...]:
    """Return what is known of parameters, MACs, size, latency and average precision, in this order."""
    models = measurements.models
    size = next(iter(models.values())).cost
    parameters = {key: model.cost.parameters for key, model in models.items()}
    macs = {key: model.cost.macs for key, model in models.items()}
    stored = {key: model.stored_bytes for key, model in models.items()}
    return (
        _counted(parameters, "parameters", "{:,.0f}", 1, "Exact: counted tensor by tensor."),
        _counted(
            macs,
            f"multiply-accumulates at {size.width} x {size.height}",
            "{:.3f} G",
            1e9,
            "Exact for convolutions and batch norm, deformable ones included; activations, pooling and "
            "sampling are not counted.",
        ),
        _counted(stored, "bytes on disk", "{:.2f} MB", 1e6, "Exact: the bytes of the float32 weights."),
        _latency(measurements),
        _precision(measurements),
    )


def _counted(values: Mapping[str, int], words: str, form: str, unit: float, sureness: str) -> Finding:
    """Judge an exact count, of which less is better."""
    change = values["v2"] / values["v1"] - 1
    first, second = (form.format(values[key] / unit) for key in ("v1", "v2"))
    sentence = (
        f"{100 * abs(change):.0f} % {'fewer' if change < 0 else 'more'} {words}: {second} instead of {first}"
    )
    direction = Direction.GAIN if change < 0 else Direction.LOSS if change > 0 else Direction.EVEN
    return Finding(direction, sentence, sureness)


def _latency(measurements: Measurements) -> Finding:
    if measurements.latency is None:
        return Finding(Direction.OPEN, "Speed on this machine", "No benchmark has run yet.")
    found, settings = measurements.speed_up, measurements.latency.settings
    medians = {key: summary(measurements.latency, key).median for key in measurements.models}
    direction = Direction.GAIN if found.low > 1 else Direction.LOSS if found.high < 1 else Direction.EVEN
    words = {
        Direction.GAIN: f"{found.ratio:.2f} times faster",
        Direction.LOSS: f"{1 / found.ratio:.2f} times slower",
        Direction.EVEN: "Neither is surely faster",
    }
    sureness = (
        f"95 % interval of the speed-up {found.low:.2f} to {found.high:.2f}, from "
        f"{measurements.latency.rounds} interleaved rounds at {settings.width} x {settings.height} on "
        f"{_threads(settings.threads)}. Other machines differ."
    )
    if measurements.noise.noisy:
        sureness += " The run was noisy: repeat it on an idle machine."
    sentence = f"{words[direction]}: {medians['v2']:.1f} ms a photo instead of {medians['v1']:.1f} ms"
    return Finding(direction, sentence, sureness)


def _precision(measurements: Measurements) -> Finding:
    measured = {key: model.accuracy for key, model in measurements.models.items() if model.accuracy}
    if len(measured) < len(measurements.models):
        missing = " and ".join(key.upper() for key in measurements.models if key not in measured)
        return Finding(
            Direction.OPEN, f"Average precision of {missing}", "No result file lies beside its weights."
        )
    first, second = measured["v1"], measured["v2"]
    if (first.protocol, first.images) != (second.protocol, second.images):
        sureness = f"They were scored on different pictures: {first.protocol}, and {second.protocol}."
        return Finding(Direction.OPEN, "Average precision on the same pictures", sureness)
    change = second.mean - first.mean
    direction = _precision_direction(change)
    words = {
        Direction.GAIN: f"{change:.3f} more average precision",
        Direction.LOSS: f"{-change:.3f} less average precision",
        Direction.EVEN: f"Average precision differs by {abs(change):.3f}, too little to speak of",
    }
    sureness = (
        f"Both on the same {first.images:,} pictures ({first.protocol}). "
        f"A difference up to {NOTICEABLE_LOSS} is not counted as one."
    )
    return Finding(direction, f"{words[direction]}: {_subsets(first, second)}", sureness)


def _precision_direction(change: float) -> Direction:
    if abs(change) <= NOTICEABLE_LOSS:
        return Direction.EVEN
    return Direction.GAIN if change > 0 else Direction.LOSS


def _subsets(first: Accuracy, second: Accuracy) -> str:
    changes = [
        f"{name} {getattr(second, name):.3f} instead of {getattr(first, name):.3f}"
        for name in ("easy", "medium", "hard")
    ]
    return ", ".join(changes)


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"
