"""Timings of both models as people read and compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from featherface.models import MODELS
from featherface.profiling.latency import (
    LatencyResult,
    LatencySettings,
    LatencySummary,
    SpeedUp,
    noise,
    speed_up,
    summary,
)
from featherface.reporting.wording import machine_text, when_text
from featherface.serving.benchmark_queue import BenchmarkRequest

__all__ = [
    "ALONE",
    "AXES",
    "WHOLE",
    "Axis",
    "Timing",
    "setting_words",
    "stage_table",
    "sweep_points",
    "timing_table",
]

ALONE, WHOLE = "Network alone", "From file to faces"


@dataclass(frozen=True)
class Axis:
    """What a benchmark can vary: its name, and where a setting lies on it."""

    name: str
    label: str
    place: Callable[[LatencySettings], int]


AXES = (
    Axis("Size", "Side of the square input, pixels", lambda settings: settings.height),
    Axis("Batch", "Pictures in a batch", lambda settings: settings.batch),
    Axis("Threads", "Threads", lambda settings: settings.threads),
)


@dataclass(frozen=True, eq=False)
class Timing:
    """One measured point, and the request that it was measured for."""

    request: BenchmarkRequest
    result: LatencyResult

    @property
    def timed(self) -> str:
        """Which part of the way from file to faces was timed."""
        return ALONE if self.request.photo is None else WHOLE

    @property
    def title(self) -> str:
        """When, what and how, in a line."""
        return f"{when_text(self.result.when)}: {self.timed.lower()}, {setting_words(self.result.settings)}"

    @property
    def speed_up(self) -> SpeedUp:
        """How many times faster V2 is, resampled once."""
        return _speed_up(self.result)

    def compares_with(self, other: Timing) -> bool:
        """Whether the same was timed in the same setting, however many rounds."""
        rounds = {"runs": self.result.settings.runs, "warmup": self.result.settings.warmup}
        same_setting = replace(other.result.settings, **rounds) == self.result.settings
        return same_setting and other.request.photo == self.request.photo


def setting_words(settings: LatencySettings) -> str:
    """Return a setting as people read it."""
    batch = "one picture" if settings.batch == 1 else f"{settings.batch} pictures"
    threads = "1 thread" if settings.threads == 1 else f"{settings.threads} threads"
    return f"{settings.width} × {settings.height}, {batch}, {threads}"


def sweep_points(axis: Axis, timing: Timing, timings: Iterable[Timing]) -> list[tuple[int, Timing]]:
    """Return the first of the timings at each place of an axis, in order, else in the setting of `timing`."""
    others = [other for other in AXES if other is not axis]
    points: dict[int, Timing] = {}
    for found in timings:
        settings = found.result.settings
        if found.request.photo == timing.request.photo and all(
            other.place(settings) == other.place(timing.result.settings) for other in others
        ):
            points.setdefault(axis.place(settings), found)
    return sorted(points.items())


def stage_table(summaries: Mapping[str, LatencySummary]) -> pd.DataFrame:
    """Return one line a model: its times, and the median of each stage where several were timed."""
    return pd.DataFrame(
        [
            {
                "Model": MODELS[key].name,
                "Median, ms": found.median,
                "p95, ms": found.p95,
                "p99, ms": found.p99,
                "Fastest, ms": found.fastest,
                "Pictures a second": found.frames_per_second,
                **(
                    {f"{stage}, ms": spent for stage, spent in found.stages.items()}
                    if len(found.stages) > 1
                    else {}
                ),
            }
            for key, found in summaries.items()
        ]
    )


def timing_table(timings: Sequence[Timing]) -> pd.DataFrame:
    """Return one line a timing."""
    return pd.DataFrame([_row(timing) for timing in timings])


def _row(timing: Timing) -> dict[str, object]:
    result, found = timing.result, timing.speed_up
    summaries = {key: summary(result, key) for key in MODELS}
    return {
        "When": when_text(result.when),
        "Timed": timing.timed,
        "Setting": setting_words(result.settings),
        "Rounds": result.rounds,
        **{f"{key.upper()} median, ms": one.median for key, one in summaries.items()},
        "V2 faster by": found.ratio,
        "at least": found.low,
        "at most": found.high,
        "Noisy": noise(result).noisy,
        "Complete": result.complete,
        **{f"{key.upper()} p95, ms": one.p95 for key, one in summaries.items()},
        **{f"{key.upper()} p99, ms": one.p99 for key, one in summaries.items()},
        "Machine": machine_text(result.machine),
    }


@st.cache_data(
    max_entries=512, show_spinner=False, hash_funcs={LatencyResult: lambda result: repr(result.milliseconds)}
)
def _speed_up(result: LatencyResult) -> SpeedUp:
    return speed_up(result)
