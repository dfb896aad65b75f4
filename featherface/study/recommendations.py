"""What to do with the two models, as far as the measurements carry it; each line names its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from featherface.profiling.latency import summary
from featherface.study.measurements import Measurements

__all__ = ["NOTICEABLE_LOSS", "REAL_TIME_MILLISECONDS", "Recommendation", "Support", "recommendations"]

REAL_TIME_MILLISECONDS = 1000 / 30  # a frame of common video
NOTICEABLE_LOSS = 0.01  # of average precision that is worth speaking of
_TOLERABLE_LOSS = 0.03  # mean average precision that a smaller model may cost and still be the first choice


class Support(StrEnum):
    """Whether the measurements support using V2 here."""

    V2 = "use V2"
    V1 = "use V1"
    EITHER = "no difference shown"
    OPEN = "not yet measured"


@dataclass(frozen=True)
class Recommendation:
    """A deployment scenario, what follows for it, and the numbers that it follows from."""

    scenario: str
    support: Support
    text: str
    numbers: tuple[str, ...]


def recommendations(measurements: Measurements) -> tuple[Recommendation, ...]:
    """Judge the study's scenarios and those that its numbers leave out."""
    return tuple(judge(measurements) for judge in _SCENARIOS)


def _little_storage(measured: Measurements) -> Recommendation:
    first, second = measured.models["v1"], measured.models["v2"]
    share = 1 - second.stored_bytes / first.stored_bytes
    numbers = (
        f"stored weights {first.stored_bytes / 1e6:.2f} MB and {second.stored_bytes / 1e6:.2f} MB",
        f"as int8 {first.int8.total_bytes / 1e6:.2f} MB and {second.int8.total_bytes / 1e6:.2f} MB",
        f"peak of activations {first.cost.memory.peak_bytes / 1e6:.1f} MB and "
        f"{second.cost.memory.peak_bytes / 1e6:.1f} MB at {second.cost.width} x {second.cost.height}",
    )
    text = (
        f"V2 needs {100 * share:.0f} % less storage. Its activations take "
        f"{second.cost.memory.peak_bytes / second.stored_bytes:.0f} times the memory of its weights: "
        "to save memory, make the input smaller first."
    )
    return Recommendation("Mobile and edge devices, little storage", Support.V2, text, numbers)


def _real_time(measured: Measurements) -> Recommendation:
    scenario = "Real-time video"
    if measured.latency is None:
        return Recommendation(
            scenario, Support.OPEN, "Run the benchmark on the machine that will be used.", ()
        )
    found, settings = measured.speed_up, measured.latency.settings
    medians = {key: summary(measured.latency, key).median for key in measured.models}
    numbers = (
        f"V2 is {found.ratio:.2f} times faster ({found.low:.2f} to {found.high:.2f})",
        *(f"{key.upper()} {median:.1f} ms, {1000 / median:.1f} a second" for key, median in medians.items()),
        f"{settings.width} x {settings.height}, {settings.threads} threads",
    )
    in_time = [key.upper() for key, median in medians.items() if median <= REAL_TIME_MILLISECONDS]
    reach = f"Within {REAL_TIME_MILLISECONDS:.0f} ms a frame: {', '.join(in_time) or 'neither model'}."
    if measured.noise.noisy:
        reach += " The run was noisy: repeat it on an idle machine."
    if found.low > 1:
        return Recommendation(scenario, Support.V2, f"V2 is faster, with 95 % confidence. {reach}", numbers)
    if found.high < 1:
        return Recommendation(scenario, Support.V1, f"V1 is faster, with 95 % confidence. {reach}", numbers)
    return Recommendation(
        scenario,
        Support.EITHER,
        f"The interval of the speed-up holds 1: neither is surely faster. {reach}",
        numbers,
    )


def _best_accuracy(measured: Measurements) -> Recommendation:
    return _by_precision(
        measured, "Highest accuracy", "mean", lambda accuracy: accuracy.mean, "average precision"
    )


def _small_faces(measured: Measurements) -> Recommendation:
    return _by_precision(
        measured, "Crowds and small faces", "hard", lambda accuracy: accuracy.hard, "hard average precision"
    )


def _by_precision(
    measured: Measurements, scenario: str, name: str, read: Callable[..., float], words: str
) -> Recommendation:
    first, second = measured.models["v1"].accuracy, measured.models["v2"].accuracy
    if first is None or second is None:
        return Recommendation(
            scenario, Support.OPEN, f"The {words} of both models must be measured first.", ()
        )
    if first.protocol != second.protocol or first.images != second.images:
        text = (
            "The two models were scored on different pictures or protocols, so their figures do not compare."
        )
        return Recommendation(scenario, Support.OPEN, text, (first.protocol, second.protocol))
    gap = read(first) - read(second)
    numbers = (
        f"{name} {read(first):.3f} and {read(second):.3f}",
        f"{first.protocol}, {first.images} pictures",
    )
    if abs(gap) <= NOTICEABLE_LOSS:
        return Recommendation(scenario, Support.EITHER, f"Both models reach the same {words}.", numbers)
    better, support = ("V1", Support.V1) if gap > 0 else ("V2", Support.V2)
    return Recommendation(scenario, support, f"{better} is {abs(gap):.3f} ahead in {words}.", numbers)


def _everyday(measured: Measurements) -> Recommendation:
    scenario = "First choice for everyday photos"
    first, second = measured.models["v1"].accuracy, measured.models["v2"].accuracy
    if measured.speed_up is None or first is None or second is None:
        text = "Speed and average precision of both models must be measured first."
        return Recommendation(scenario, Support.OPEN, text, ())
    loss = first.mean - second.mean
    numbers = (
        f"average precision {first.mean:.3f} and {second.mean:.3f}",
        f"speed-up {measured.speed_up.ratio:.2f}",
    )
    if measured.speed_up.low > 1 and loss <= _TOLERABLE_LOSS:
        return Recommendation(scenario, Support.V2, f"V2 costs {loss:.3f} of average precision.", numbers)
    text = (
        f"V2 would cost {loss:.3f} of average precision, more than its speed is worth where time allows V1."
    )
    return Recommendation(scenario, Support.V1, text, numbers)


_SCENARIOS: tuple[Callable[[Measurements], Recommendation], ...] = (
    _everyday,
    _little_storage,
    _real_time,
    _best_accuracy,
    _small_faces,
)
