"""Benchmark results: how they are named, compared and listed in tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from featherface.engines.choice import ENGINES
from featherface.models import detector_entry
from featherface.profiling.latency import (
    LatencyResult,
    LatencySettings,
    LatencySummary,
    SpeedUp,
    noise,
    speed_up,
    summary,
)
from featherface.reporting.wording import input_text, machine_text, when_text
from featherface.serving.benchmark_queue import BenchmarkRequest

__all__ = [
    "ALONE",
    "AXES",
    "WHOLE",
    "SweepAxis",
    "Timing",
    "number_columns",
    "setting_text",
    "stage_table",
    "sweep_points",
    "timing_table",
]

ALONE, WHOLE = "Network only", "End to end"


@dataclass(frozen=True)
class SweepAxis:
    """What a benchmark can vary: its name, and the value of a setting on it."""

    name: str
    label: str
    place: Callable[[LatencySettings], int | str]


AXES = (
    SweepAxis("Input size", "Input size (px, longer side)", lambda settings: settings.height),
    SweepAxis("Batch size", "Batch size", lambda settings: settings.batch),
    SweepAxis("Threads", "Threads", lambda settings: settings.threads),
    SweepAxis("Engine", "Engine", lambda settings: ENGINES[settings.engine].name),
)


@dataclass(frozen=True, eq=False)
class Timing:
    """One measured point, and the request that it was measured for."""

    request: BenchmarkRequest
    result: LatencyResult

    @property
    def timed(self) -> str:
        """What was timed: the network only, or end to end."""
        return ALONE if self.request.photo is None else WHOLE

    @property
    def title(self) -> str:
        """Date, the models unless all of them, what was timed and the setting, in one line."""
        models = " and ".join(detector_entry(key).short_name for key in self.request.models)
        named = f"{models}, " if models else ""
        setting = setting_text(self.result)
        return f"{when_text(self.result.when)}: {named}{self.timed.lower()}, {setting}"

    def speed_up(self, baseline: str, model: str) -> SpeedUp:
        """Return how many times faster `model` is than `baseline`, by key."""
        return _speed_up(self.result, baseline, model)

    def compares_with(self, other: Timing) -> bool:
        """Return whether the same was timed in the same setting; the number of rounds may differ."""
        mine = self.result.settings
        same_setting = replace(other.result.settings, runs=mine.runs, warmup=mine.warmup) == mine
        return same_setting and replace(other.request, points=()) == replace(self.request, points=())


def setting_text(result: LatencyResult) -> str:
    """Return input size, the photo if one was timed, batch size, threads and engine in words."""
    settings = result.settings
    batch = f"batch size {settings.batch}"
    return f"{input_text(result)}, {batch}, {settings.threads_text}, {ENGINES[settings.engine].name}"


def sweep_points(
    axis: SweepAxis, timing: Timing, timings: Iterable[Timing]
) -> list[tuple[int | str, Timing]]:
    """Return the first timing at each value of an axis, in order; other settings are those of `timing`."""
    others = [other for other in AXES if other is not axis]
    points: dict[int | str, Timing] = {}
    for found in timings:
        settings = found.result.settings
        if replace(found.request, points=()) == replace(timing.request, points=()) and all(
            other.place(settings) == other.place(timing.result.settings) for other in others
        ):
            points.setdefault(axis.place(settings), found)
    return sorted(points.items(), key=lambda point: point[0])


def number_columns(table: pd.DataFrame) -> dict[str, Any]:
    """Return how the numbers of a table are written: milliseconds with one decimal, others with two."""
    return {
        name: st.column_config.NumberColumn(format="%.1f" if name.endswith("(ms)") else "%.2f")
        for name in map(str, table.select_dtypes("float"))
    }


def stage_table(summaries: Mapping[str, LatencySummary]) -> pd.DataFrame:
    """Return one row per model: its latency per image, and the median of each stage if several were timed."""
    return pd.DataFrame(
        [
            {
                "Model": detector_entry(key).name,
                "Median (ms)": found.median,
                "p95 (ms)": found.p95,
                "p99 (ms)": found.p99,
                "Fastest (ms)": found.fastest,
                "Throughput (images/s)": found.frames_per_second,
                **(
                    {f"{stage.capitalize()} (ms)": spent for stage, spent in found.stages.items()}
                    if len(found.stages) > 1
                    else {}
                ),
            }
            for key, found in summaries.items()
        ]
    )


def timing_table(timings: Sequence[Timing]) -> pd.DataFrame:
    """Return one row per timing, with latency per image."""
    return pd.DataFrame([_row(timing) for timing in timings])


def _row(timing: Timing) -> dict[str, object]:
    result = timing.result
    summaries = {detector_entry(key).short_name: summary(result, key) for key in result.milliseconds}
    return {
        "Date": when_text(result.when),
        "Timed": timing.timed,
        "Setting": setting_text(result),
        "Rounds": result.rounds,
        **{f"{name} median (ms)": one.median for name, one in summaries.items()},
        **_speed_ups(timing),
        "Noisy": noise(result).noisy,
        "Complete": result.complete,
        **{f"{name} p95 (ms)": one.p95 for name, one in summaries.items()},
        **{f"{name} p99 (ms)": one.p99 for name, one in summaries.items()},
        "Machine": machine_text(result.machine),
    }


def _speed_ups(timing: Timing) -> dict[str, float]:
    """Return the speed-up of each further model over the first, with its 95% confidence interval."""
    baseline, *others = timing.result.milliseconds
    columns: dict[str, float] = {}
    for key in others:
        found, name = timing.speed_up(baseline, key), detector_entry(key).short_name
        columns |= {
            f"{name} speed-up": found.ratio,
            f"{name} speed-up, low": found.low,
            f"{name} speed-up, high": found.high,
        }
    return columns


@st.cache_data(
    max_entries=512, show_spinner=False, hash_funcs={LatencyResult: lambda result: repr(result.milliseconds)}
)
def _speed_up(result: LatencyResult, baseline: str, model: str) -> SpeedUp:
    return speed_up(result, baseline, model)
