"""Latency on several machines: which results compare, as a table and as bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import plotly.graph_objects as go

from featherface.engines.choice import ENGINES
from featherface.models import MODELS, OTHER_DETECTORS, detector_entry
from featherface.profiling.latency import LatencyResult, noise, speed_up, summary
from featherface.profiling.machine import Machine
from featherface.reporting.figures.style import chart_layout
from featherface.reporting.wording import input_text, when_text

__all__ = [
    "MachineResult",
    "machine_bars",
    "machine_key",
    "machine_table",
    "machine_text_lines",
    "setting_key",
    "setting_name",
]

_DIGITS = 8  # of a file's SHA-256 in a name


@dataclass(frozen=True, eq=False)
class MachineResult:
    """One measured point and where it comes from, such as a file's name."""

    source: str
    result: LatencyResult


def machine_key(machine: Machine) -> Machine:
    """Return the machine without the number of threads, which is a setting."""
    return replace(machine, threads=0)


def setting_key(result: LatencyResult) -> tuple[object, ...]:
    """Return what must be equal for machines to compare; a photo is compared by its file's content."""
    settings, photo = result.settings, result.photo
    what: object = input_text(result) if photo is None else replace(photo, name="")
    return what, settings.batch, settings.threads, result.stages == ("network",)


def setting_name(result: LatencyResult) -> str:
    """Return what `setting_key` tells apart, for people: input size, batch, threads and what was timed."""
    settings, photo = result.settings, result.photo
    timed = "network only" if result.stages == ("network",) else "end to end, unknown photo"
    if photo is not None:
        timed = f"end to end, SHA-256 {photo.sha256[:_DIGITS]}"
    return f"{input_text(result)}, batch size {settings.batch}, {settings.threads_text}, {timed}"


def machine_table(found: Iterable[MachineResult]) -> pd.DataFrame:
    """Return one row per machine, engine and precision, with latency per image."""
    return pd.DataFrame([_row(one) for one in found])


def machine_text_lines(machine: Machine) -> dict[str, str]:
    """Return the machine card: what timings depend on besides the processor, by name."""
    memory = f"{machine.memory_bytes / 1e9:.1f} GB" if machine.memory_bytes else "unknown"
    return {
        "Cores": f"{machine.cores}",
        "Memory": memory,
        "System": machine.system,
        "Python": machine.python,
        "PyTorch": machine.torch,
    }


def machine_bars(found: Sequence[MachineResult]) -> go.Figure:
    """Return each model's median latency per image, one group of bars per machine, engine and precision."""
    known = (*MODELS, *OTHER_DETECTORS)
    keys = [key for key in known if any(key in one.result.milliseconds for one in found)]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": detector_entry(key).name,
            "y": [_label(one) for one in found if key in one.result.milliseconds],
            "x": [summary(one.result, key).median for one in found if key in one.result.milliseconds],
            "marker": {"color": detector_entry(key).colour},
            "hovertemplate": "%{x:.1f} ms per image<extra>" + detector_entry(key).name + "</extra>",
        }
        for key in keys
    ]
    layout = chart_layout(
        120 + 55 * len(found),
        barmode="group",
        xaxis={"title": {"text": "Median latency per image (ms)"}, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "automargin": True},
    )
    return go.Figure(data=traces, layout=layout)


def _row(one: MachineResult) -> dict[str, object]:
    result = one.result
    settings, models = result.settings, list(result.milliseconds)
    found = {detector_entry(key).short_name: summary(result, key) for key in models}
    ratios = {
        f"{detector_entry(key).short_name} speed-up": speed_up(result, models[0], key).ratio
        for key in models[1:]
    }
    return {
        "Machine": result.machine.processor,
        "Cores": result.machine.cores,
        "Engine": f"{ENGINES[settings.engine].name} {result.engine_version}".rstrip(),
        "Precision": settings.precision.value,
        **{f"{name} median (ms)": summed.median for name, summed in found.items()},
        **{f"{name} p95 (ms)": summed.p95 for name, summed in found.items()},
        **ratios,
        "Rounds": result.rounds,
        "Noisy": noise(result).noisy,
        "Date": when_text(result.when),
        "Source": one.source,
    }


def _label(one: MachineResult) -> str:
    settings, machine = one.result.settings, one.result.machine
    return (
        f"{machine.processor}, {machine.cores} cores<br>{ENGINES[settings.engine].name}, "
        f"{settings.precision}; {one.source}"
    )
