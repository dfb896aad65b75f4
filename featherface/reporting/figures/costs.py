"""Plotly figures of parameters and compute cost: by group, layer and input size, and the roofline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from featherface.models import MODELS, group_names
from featherface.profiling.roofline import MachinePeak
from featherface.reporting.figures.style import chart_layout

__all__ = ["Workload", "model_bars", "model_lines", "roofline_chart"]

_SYMBOLS = ("square", "diamond", "triangle-up", "x", "cross")  # of the groups, in their order
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")  # of the models, in their order
_LABEL_LENGTH = 24  # characters per line beside bars; a phone has room for no more
_ROOF_COLOUR = "#7c8a90"
_INTENSITIES = 0.3, 300  # FLOPs per byte that the roofline spans
_LARGE = 10_000  # values from here on are abbreviated: 12M


def model_bars(
    labels: Sequence[str], values: Mapping[str, Sequence[float]], axis: str, *, row: int = 54
) -> go.Figure:
    """Return one horizontal bar per label and model, `values` by the model's key; `row` in pixels."""
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": MODELS[key].name,
            "y": ["<br>".join(wrap(label, _LABEL_LENGTH)) for label in labels],
            "x": numbers,
            "marker": {"color": MODELS[key].colour},
            "texttemplate": "%{x:.3s}",
            "textposition": "outside",
            "cliponaxis": False,
            "hovertemplate": f"%{{y}}: %{{x:,}} {axis}<extra>{MODELS[key].name}</extra>",
        }
        for key, numbers in values.items()
    ]
    layout = chart_layout(
        row * len(labels) + 130,
        barmode="group",
        bargap=0.25,
        margin={"l": 10, "r": 50, "t": 40, "b": 10},
        legend={"orientation": "h", "x": 0, "y": -70 / (row * len(labels)), "traceorder": "normal"},
        xaxis={"title": {"text": axis}, "tickformat": "~s", "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "automargin": True},
    )
    return go.Figure(data=traces, layout=layout)


def model_lines(table: pd.DataFrame, x: str, y: str) -> go.Figure:
    """Return one line per model of column `y` over column `x`; the column "Model" has the models' names."""
    colours = {entry.name: entry.colour for entry in MODELS.values()}
    large = table[y].max() >= _LARGE
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": rows[x],
            "y": rows[y],
            "line": {"color": colours[str(name)], "dash": dash, "width": 2},
            "hovertemplate": "%{y:.4s}" if large else "%{y:.4~g}",
        }
        for (name, rows), dash in zip(table.groupby("Model", sort=False), cycle(_DASHES), strict=False)
    ]
    layout = chart_layout(
        360,
        hovermode="x unified",
        xaxis={"title": {"text": x}},
        yaxis={"title": {"text": y}, "tickformat": "~s" if large else "~g", "rangemode": "tozero"},
    )
    return go.Figure(data=traces, layout=layout)


@dataclass(frozen=True)
class Workload:
    """A point on or below the roofline: a model, or one of its groups of modules."""

    model: str  # key in MODELS
    group: str | None  # None for the whole network
    intensity: float  # FLOPs per byte moved
    gflops: float  # 1e9 FLOPs per second
    reached: bool  # measured; otherwise the roof at this intensity


def roofline_chart(peak: MachinePeak, workloads: Sequence[Workload]) -> go.Figure:
    """Return the machine's roofline with the workloads: measured ones below it, the others on it."""
    grid = np.geomspace(*_INTENSITIES, 60)
    roof = {
        "type": "scatter",
        "mode": "lines",
        "name": "Roofline of this machine",
        "x": grid,
        "y": [peak.attainable_gflops(intensity) for intensity in grid],
        "line": {"color": _ROOF_COLOUR, "width": 3},
        "hovertemplate": "%{x:.2f} FLOPs per byte: at most %{y:.1f} GFLOPS<extra></extra>",
    }
    layout = chart_layout(
        580,
        xaxis={"type": "log", "title": {"text": "Arithmetic intensity (FLOPs per byte)"}, "dtick": 1},
        yaxis={"type": "log", "title": {"text": "Performance (GFLOPS)"}, "dtick": 1},
    )
    return go.Figure(data=[roof, *(_workload_trace(work) for work in workloads)], layout=layout)


def _workload_trace(work: Workload) -> dict[str, object]:
    entry = MODELS[work.model]
    part = work.group or "whole network"
    symbol = "star" if work.group is None else _symbol(work.group)
    kind = "achieved" if work.reached else "attainable"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{entry.short_name} {part}",
        "x": [work.intensity],
        "y": [work.gflops],
        "marker": {
            "color": entry.colour,
            "size": 17 if work.group is None else 11,
            "symbol": symbol if work.reached else f"{symbol}-open",
            "line": {"width": 0 if work.reached else 2, "color": entry.colour},
        },
        "hovertemplate": f"{entry.name}, {part}<br>%{{x:.2f}} FLOPs per byte<br>"
        f"%{{y:.1f}} GFLOPS {kind}<extra></extra>",
    }


def _symbol(group: str) -> str:
    groups = group_names()
    return _SYMBOLS[groups.index(group) % len(_SYMBOLS)] if group in groups else "circle"
