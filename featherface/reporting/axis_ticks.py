"""Round numbers for the ticks of an axis."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor, log10

from featherface.study.story import StepChart

__all__ = ["chart_ticks", "round_ticks"]

_TICKS = 5  # about as many
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def round_ticks(values: Iterable[float]) -> list[float]:
    """Return about five evenly spaced round numbers that span all `values`, at least two."""
    found = list(values)
    low, high = min(found), max(found)
    span = high - low or 1.0
    power = 10.0 ** floor(log10(span / _TICKS))
    step = power * next(size for size in _STEPS if size * power >= span / _TICKS)
    first, last = floor(low / step), ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def chart_ticks(chart: StepChart) -> list[float]:
    """Return ticks from the lowest to the highest bar or error bar, 0 included."""
    ends = [end for series in chart.series for interval in series.intervals if interval for end in interval]
    return round_ticks([0.0, *ends, *(value for series in chart.series for value in series.values)])
