"""Which of the study's two models to use, as far as the measurements tell; each line names its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from featherface.evaluation.paired_bootstrap import Difference, difference_text, interval_text
from featherface.profiling.latency import summary
from featherface.study.measurements import V1, V2, Measurements
from featherface.study.provenance import Badge

__all__ = ["REAL_TIME_MILLISECONDS", "Recommendation", "Support", "recommendations"]

REAL_TIME_MILLISECONDS = 1000 / 30  # per frame of common video
_TOLERABLE_LOSS = 0.03  # mean average precision that the faster model may cost and still be the first choice
_NOISY = "The latency run was noisy, so speed is not compared."


class Support(StrEnum):
    """The model that the measurements support."""

    V2 = "use V2"
    V1 = "use V1"
    EITHER = "no significant difference"
    INCONCLUSIVE = "inconclusive"  # the latency run was noisy
    OPEN = "not measured yet"


@dataclass(frozen=True)
class Recommendation:
    """A deployment scenario, the model to use in it, why, and the numbers behind it with their origin."""

    scenario: str
    support: Support
    text: str
    numbers: tuple[str, ...]
    badge: Badge = Badge.MEASURED


def recommendations(measurements: Measurements) -> tuple[Recommendation, ...]:
    """Judge the study's scenarios and those that its numbers leave out."""
    return tuple(judge(measurements) for judge in _SCENARIOS)


def _little_storage(measured: Measurements) -> Recommendation:
    first, second = measured.models[V1], measured.models[V2]
    share = 1 - second.stored_bytes / first.stored_bytes
    numbers = (
        f"stored weights {first.stored_bytes / 1e6:.2f} MB and {second.stored_bytes / 1e6:.2f} MB",
        f"smallest int8 files {first.int8_bytes / 1e6:.2f} MB and {second.int8_bytes / 1e6:.2f} MB",
        f"peak activation memory {first.cost.memory.peak_bytes / 1e6:.1f} MB and "
        f"{second.cost.memory.peak_bytes / 1e6:.1f} MB at {second.cost.width} × {second.cost.height}",
    )
    text = (
        f"V2 needs {share:.0%} less storage. Its activations take "
        f"{second.cost.memory.peak_bytes / second.stored_bytes:.0f} times the memory of its weights: "
        "to save memory, reduce the input size first."
    )
    scenario = "Mobile and edge devices with limited storage"
    return Recommendation(scenario, Support.V2, text, numbers, Badge.COUNTED)


def _real_time(measured: Measurements) -> Recommendation:
    scenario = "Real-time video"
    if measured.latency is None:
        return Recommendation(scenario, Support.OPEN, "Run the benchmark on the target machine.", ())
    settings = measured.latency.settings
    medians = {key: summary(measured.latency, key).median for key in measured.models}
    numbers = (
        _speed_up_words(measured),
        *(f"{key.upper()} {median:.1f} ms, {1000 / median:.1f} images/s" for key, median in medians.items()),
        f"{settings.width} × {settings.height}, {settings.threads_text}",
    )
    in_time = [key.upper() for key, median in medians.items() if median <= REAL_TIME_MILLISECONDS]
    reach = f"Within {REAL_TIME_MILLISECONDS:.0f} ms per frame: {', '.join(in_time) or 'neither model'}."
    faster = _faster(measured)
    if faster is None:
        if _noisy(measured):
            return Recommendation(scenario, Support.INCONCLUSIVE, f"{_NOISY} {reach}", numbers)
        why = "The confidence interval of the speed-up includes 1: no significant difference."
        return Recommendation(scenario, Support.EITHER, f"{why} {reach}", numbers)
    return Recommendation(
        scenario, _use(faster), f"{faster.upper()} is significantly faster. {reach}", numbers
    )


def _best_accuracy(measured: Measurements) -> Recommendation:
    found = measured.comparison.mean if measured.comparison else None
    return _by_precision(measured, "Highest accuracy", found, "mean average precision")


def _small_faces(measured: Measurements) -> Recommendation:
    found = measured.comparison.subsets.get("hard") if measured.comparison else None
    return _by_precision(measured, "Crowds and small faces", found, "hard average precision")


def _by_precision(
    measured: Measurements, scenario: str, found: Difference | None, words: str
) -> Recommendation:
    if measured.accuracy_obstacle or measured.accuracies is None or found is None:
        text = measured.accuracy_obstacle or f"The paired comparison of the models has no {words}."
        return Recommendation(scenario, Support.OPEN, text, _protocols(measured))
    first, _ = measured.accuracies
    numbers = (_difference_words(words, found), f"{first.protocol}, {first.images} images")
    if found.no_interval:
        return Recommendation(scenario, Support.OPEN, found.no_interval, numbers)
    better = _more_accurate(found)
    if better is None:
        text = f"No significant difference in {words}."
        return Recommendation(scenario, Support.EITHER, _noted(measured, text), numbers)
    text = f"{better.upper()} is {abs(found.difference):.3f} ahead in {words}."
    return Recommendation(scenario, _use(better), _noted(measured, text), numbers)


def _everyday(measured: Measurements) -> Recommendation:
    scenario = "First choice for everyday photos"
    if measured.latency is None:
        return Recommendation(scenario, Support.OPEN, "The latency of both models has not been measured.", ())
    if measured.accuracy_obstacle or measured.comparison is None:
        return Recommendation(scenario, Support.OPEN, measured.accuracy_obstacle, _protocols(measured))
    found = measured.comparison.mean
    numbers = (_difference_words("mean average precision", found), _speed_up_words(measured))
    if found.no_interval:
        return Recommendation(scenario, Support.OPEN, found.no_interval, numbers)
    gap = abs(found.difference)
    support, text = _trade(_more_accurate(found), _faster(measured), gap, noisy=_noisy(measured))
    return Recommendation(scenario, support, _noted(measured, text), numbers)


def _trade(accurate: str | None, faster: str | None, gap: float, *, noisy: bool) -> tuple[Support, str]:
    """Weigh the model that is more accurate by `gap` against the one that is faster; None where undecided."""
    if accurate is None:
        if noisy:
            return Support.INCONCLUSIVE, f"No significant difference in accuracy. {_NOISY}"
        if faster is None:
            return Support.EITHER, "No significant difference in accuracy or speed."
        return _use(faster), f"{faster.upper()} is faster, with no significant difference in accuracy."
    ahead = f"{accurate.upper()} is {gap:.3f} ahead in average precision"
    if noisy:
        return _use(accurate), f"{ahead}. {_NOISY}"
    if faster is None:
        return _use(accurate), f"{ahead}, with no significant difference in speed."
    if faster == accurate:
        return _use(accurate), f"{ahead} and is also faster."
    accepted = f"the {_TOLERABLE_LOSS:.3f} accepted for a faster model"
    if gap <= _TOLERABLE_LOSS:
        text = f"{faster.upper()} is faster, and its average precision is {gap:.3f} lower, within {accepted}."
        return _use(faster), text
    text = f"{ahead}, more than {accepted}. Choose {faster.upper()} only if latency matters more."
    return _use(accurate), text


def _faster(measured: Measurements) -> str | None:
    """Return the model that is significantly faster; None for no significant difference or a noisy run."""
    found = measured.speed_up
    if found is None or _noisy(measured) or found.low <= 1 <= found.high:
        return None
    return V2 if found.low > 1 else V1


def _noisy(measured: Measurements) -> bool:
    return measured.noise is not None and measured.noise.noisy


def _more_accurate(found: Difference) -> str | None:
    if not found.significant:
        return None
    return V2 if found.difference > 0 else V1


def _use(key: str) -> Support:
    return Support.V2 if key == V2 else Support.V1


def _noted(measured: Measurements, text: str) -> str:
    return f"{text} {measured.selection_note}".rstrip()


def _protocols(measured: Measurements) -> tuple[str, ...]:
    scored = [model.accuracy for model in measured.models.values() if model.accuracy is not None]
    return tuple(dict.fromkeys(f"{found.protocol}, {found.images} images" for found in scored))


def _difference_words(words: str, found: Difference) -> str:
    text = f"{words} {found.first:.3f} and {found.second:.3f}"
    if found.interval is not None:
        interval = interval_text(found.interval)
        text += f", V2 minus V1 {difference_text(found.difference)} (95% {interval})"
    return text


def _speed_up_words(measured: Measurements) -> str:
    found = measured.speed_up
    if found is None:
        return ""
    certainty = "noisy run" if _noisy(measured) else f"95% {found.low:.2f} to {found.high:.2f}"
    return f"V2 speed-up {found.ratio:.2f} ({certainty})"


_SCENARIOS: tuple[Callable[[Measurements], Recommendation], ...] = (
    _everyday,
    _little_storage,
    _real_time,
    _best_accuracy,
    _small_faces,
)
