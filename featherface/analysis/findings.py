"""What V2 gains and loses against V1, quantity by quantity, and how sure each is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from featherface.analysis.latency import summary
from featherface.analysis.machine import Badge
from featherface.analysis.measurements import Accuracy, Measurements
from featherface.analysis.recommendations import NOTICEABLE_LOSS

__all__ = ["Direction", "Finding", "findings"]


class Direction(StrEnum):
    """Whether V2 is better, as far as the measurement can tell."""

    GAIN = "gain"
    LOSS = "loss"
    EVEN = "no difference shown"
    OPEN = "not yet measured"


@dataclass(frozen=True)
class Finding:
    """One quantity of both models.

    values: as people read them, by model key; models that were not measured are absent. change: of V2 against
    V1, empty where it cannot be said. sentence: the same in words. sureness: how far it can be trusted.
    """

    name: str
    values: Mapping[str, str]
    unit: str
    change: str
    direction: Direction
    sentence: str
    sureness: str
    badge: Badge | None  # None where nothing was measured


def findings(measurements: Measurements) -> tuple[Finding, ...]:
    """Return parameters, MACs, latency, file size and average precision, in this order."""
    return (
        _counted(
            measurements,
            "Parameters",
            "k",
            lambda key: measurements.parameters(key) / 1e3,
            "{:.0f}",
            "parameters",
            "Exact: counted tensor by tensor.",
        ),
        _counted(
            measurements,
            "MACs",
            "G",
            lambda key: measurements.models[key].cost.macs / 1e9,
            "{:.3f}",
            f"multiply-accumulates at {_input_size(measurements)}",
            "Exact for convolutions and batch norm, deformable ones included; activations, pooling and "
            "sampling are not counted.",
        ),
        _latency(measurements),
        _counted(
            measurements,
            "File size",
            "MB",
            lambda key: measurements.models[key].stored_bytes / 1e6,
            "{:.2f}",
            "bytes on disk",
            "Exact: bytes of the float32 weights.",
        ),
        _precision(measurements),
    )


def _counted(
    measurements: Measurements,
    name: str,
    unit: str,
    read: Callable[[str], float],
    form: str,
    words: str,
    sureness: str,
) -> Finding:
    """Judge an exact count, of which less is better."""
    values = {key: read(key) for key in measurements.models}
    change = values["v2"] / values["v1"] - 1
    less = "fewer" if words != "bytes on disk" else "less space:"
    sentence = (
        f"{abs(change):.0%} {less if change < 0 else 'more'} {words} "
        f"({form.format(values['v1'])} to {form.format(values['v2'])} {unit})"
    )
    direction = Direction.GAIN if change < 0 else Direction.LOSS if change > 0 else Direction.EVEN
    printed = {key: form.format(value) for key, value in values.items()}
    return Finding(
        name, printed, unit, f"{_signed(100 * change)} %", direction, sentence, sureness, Badge.MEASURED
    )


def _latency(measurements: Measurements) -> Finding:
    if measurements.latency is None:
        return _open("Latency", "ms", "speed on this machine")
    found, settings = measurements.speed_up, measurements.latency.settings
    medians = {key: summary(measurements.latency, key).median for key in measurements.models}
    direction = Direction.GAIN if found.low > 1 else Direction.LOSS if found.high < 1 else Direction.EVEN
    times = f"{medians['v1']:.0f} to {medians['v2']:.0f} ms a photo"
    words = {
        Direction.GAIN: f"{found.ratio:.2f} times faster ({times})",
        Direction.LOSS: f"{1 / found.ratio:.2f} times slower ({times})",
        Direction.EVEN: f"speed: neither is surely faster ({times})",
    }
    sureness = (
        f"95 % interval of the speed-up {found.low:.2f} to {found.high:.2f}, {measurements.latency.rounds} "
        f"interleaved rounds at {settings.width} x {settings.height}, threads: {settings.threads}; "
        "other machines differ."
    )
    if measurements.noise.noisy:
        sureness += " The run was noisy: repeat it on an idle machine."
    return Finding(
        "Latency",
        {key: f"{median:.1f}" for key, median in medians.items()},
        "ms",
        f"{_signed(100 * (medians['v2'] / medians['v1'] - 1))} %",
        direction,
        words[direction],
        sureness,
        Badge.MEASURED,
    )


def _precision(measurements: Measurements) -> Finding:
    measured = {
        key: model.accuracy for key, model in measurements.models.items() if model.accuracy is not None
    }
    values = {key: f"{accuracy.mean:.3f}" for key, accuracy in measured.items()}
    if len(measured) < len(measurements.models):
        missing = " and ".join(key.upper() for key in measurements.models if key not in measured)
        badge = next((accuracy.badge for accuracy in measured.values()), None)
        return _open("Average precision", "", f"average precision of {missing}", values, badge)
    first, second = measured["v1"], measured["v2"]
    badge = Badge.MEASURED if first.badge is second.badge is Badge.MEASURED else Badge.PUBLISHED
    if (first.protocol, first.pictures) != (second.protocol, second.pictures):
        return _open("Average precision", "", "average precision on the same pictures", values, badge)
    change = second.mean - first.mean
    direction = _precision_direction(change)
    words = {
        Direction.GAIN: f"{change:.3f} more average precision",
        Direction.LOSS: f"{-change:.3f} less average precision",
        Direction.EVEN: f"average precision: a difference of {_signed(change, 3)}, too small to speak of",
    }
    return Finding(
        "Average precision",
        values,
        "",
        _signed(change, 3),
        direction,
        f"{words[direction]} ({_subset_changes(first, second)})",
        f"Both on the same {first.pictures:,} pictures; {first.protocol}. Differences below "
        f"{NOTICEABLE_LOSS} are not counted as any.",
        badge,
    )


def _precision_direction(change: float) -> Direction:
    if abs(change) <= NOTICEABLE_LOSS:
        return Direction.EVEN
    return Direction.GAIN if change > 0 else Direction.LOSS


def _subset_changes(first: Accuracy, second: Accuracy) -> str:
    return ", ".join(
        f"{name} {getattr(first, name):.3f} to {getattr(second, name):.3f}"
        for name in ("easy", "medium", "hard")
    )


def _open(
    name: str, unit: str, what: str, values: Mapping[str, str] | None = None, badge: Badge | None = None
) -> Finding:
    return Finding(name, values or {}, unit, "", Direction.OPEN, what, "Not yet measured.", badge)


def _signed(value: float, decimals: int = 1) -> str:
    """Print with a proper minus sign."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def _input_size(measurements: Measurements) -> str:
    cost = next(iter(measurements.models.values())).cost
    return f"{cost.width} x {cost.height}"
