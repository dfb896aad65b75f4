"""Plotly figures of parameters and operations: by group, layer and input size, under the machine's roof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from featherface.models import MODELS, group_names
from featherface.profiling.roofline import MachinePeak
from featherface.reporting.figures.style import chart_layout

__all__ = ["Workload", "model_bars", "model_lines", "roofline_chart"]

_SYMBOLS = ("square", "diamond", "triangle-up", "x", "cross")  # of the groups, in their order
_LABEL = 24  # characters a line beside bars; a phone has room for no more
_ROOF = "#7c8a90"
_INTENSITIES = 0.3, 300  # FLOPs per byte that the roofline spans


def model_bars(
    labels: Sequence[str], values: Mapping[str, Sequence[float]], axis: str, *, row: int = 54
) -> go.Figure:
    """Return horizontal bars, one a model at each label, `values` by the model's key; `row` in pixels."""
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": MODELS[key].name,
            "y": ["<br>".join(wrap(label, _LABEL)) for label in labels],
            "x": numbers,
            "marker": {"color": MODELS[key].colour},
            "texttemplate": "%{x:.3s}",
            "textposition": "outside",
            "cliponaxis": False,
            "hovertemplate": "%{y}: %{x:,}<extra>" + MODELS[key].name + "</extra>",
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
    """Return a line a model over column `x` of a table with a column "Model" of names."""
    colours = {entry.name: entry.colour for entry in MODELS.values()}
    dashes = dict(zip(colours, ("solid", "dash"), strict=False))
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": rows[x],
            "y": rows[y],
            "line": {"color": colours[name], "dash": dashes.get(name, "dot"), "width": 2},
            "hovertemplate": "%{x}: %{y:.4s}",
        }
        for name, rows in table.groupby("Model", sort=False)
    ]
    layout = chart_layout(
        360,
        hovermode="x unified",
        xaxis={"title": {"text": x}},
        yaxis={"title": {"text": y}, "tickformat": "~s", "rangemode": "tozero"},
    )
    return go.Figure(data=traces, layout=layout)


@dataclass(frozen=True)
class Workload:
    """A point under the roof: a model, or one of the study's groups of it."""

    model: str  # key in MODELS
    group: str | None  # None for the whole network
    intensity: float  # FLOPs for each byte moved
    gflops: float  # 1e9 FLOPs a second: reached, or at best
    reached: bool  # measured, not read off the roof


def roofline_chart(peak: MachinePeak, workloads: Sequence[Workload]) -> go.Figure:
    """Return the machine's roof, with workloads below it where they were timed and on it where not."""
    grid = np.geomspace(*_INTENSITIES, 60)
    roof = {
        "type": "scatter",
        "mode": "lines",
        "name": "This machine's roof",
        "x": grid,
        "y": [peak.attainable_gflops(intensity) for intensity in grid],
        "line": {"color": _ROOF, "width": 3},
        "hovertemplate": "%{x:.2f} FLOPs per byte: at most %{y:.1f} GFLOPS<extra></extra>",
    }
    layout = chart_layout(
        580,
        xaxis={"type": "log", "title": {"text": "Arithmetic intensity, FLOPs per byte moved"}, "dtick": 1},
        yaxis={"type": "log", "title": {"text": "GFLOPS (10⁹ FLOPs a second)"}, "dtick": 1},
    )
    return go.Figure(data=[roof, *(_workload_trace(work) for work in workloads)], layout=layout)


def _symbol(group: str) -> str:
    groups = group_names()
    return _SYMBOLS[groups.index(group) % len(_SYMBOLS)] if group in groups else "circle"


def _workload_trace(work: Workload) -> dict[str, object]:
    entry = MODELS[work.model]
    part = work.group or "whole network"
    filled = work.reached
    symbol = "star" if work.group is None else _symbol(work.group)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{work.model.upper()} {part}",
        "x": [work.intensity],
        "y": [work.gflops],
        "marker": {
            "color": entry.colour,
            "size": 17 if work.group is None else 11,
            "symbol": symbol if filled else f"{symbol}-open",
            "line": {"width": 2 if not filled else 0, "color": entry.colour},
        },
        "hovertemplate": f"{entry.name}, {part}<br>%{{x:.2f}} FLOPs per byte<br>%{{y:.1f}} GFLOPS "
        + ("reached" if filled else "at best")
        + "<extra></extra>",
    }
