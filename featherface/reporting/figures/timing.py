"""Plotly figures of latency measured on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from featherface.models import detector_entry
from featherface.profiling.latency import STAGES, LatencyResult, LatencySummary, summary
from featherface.reporting.figures.style import chart_layout

__all__ = ["histogram", "stage_bars", "sweep_lines"]

_BINS = 40  # over the latencies of all models; rounds slower than the 99th percentile go into the last one
_SHADES = dict(zip(STAGES, (0.35, 0.55, 1.0, 0.75), strict=True))  # opacity; the network stands out


def histogram(result: LatencyResult) -> go.Figure:
    """Return the distribution of each model's latency per image, with a line at its median."""
    latencies = {key: result.times_per_image(key) for key in result.milliseconds}
    everything = np.concatenate(list(latencies.values()))
    edges = np.linspace(0, np.percentile(everything, 99), _BINS + 1)
    traces = [
        {
            "type": "bar",
            "name": detector_entry(key).name,
            "x": (edges[:-1] + edges[1:]) / 2,
            "y": np.histogram(np.minimum(values, edges[-1]), edges)[0],
            "width": edges[1],
            "marker": {"color": detector_entry(key).colour, "line": {"width": 0}},
            "opacity": 0.75,
            "hovertemplate": "%{y} rounds at about %{x:.1f} ms<extra>"
            + detector_entry(key).name
            + "</extra>",
        }
        for key, values in latencies.items()
    ]
    medians = [
        {
            "type": "line",
            "x0": float(np.median(values)),
            "x1": float(np.median(values)),
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": detector_entry(key).colour, "width": 2, "dash": "dash"},
        }
        for key, values in latencies.items()
    ]
    layout = chart_layout(
        360,
        barmode="overlay",
        shapes=medians,
        xaxis={"title": {"text": "Latency per image (ms)"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "Rounds"}},
    )
    return go.Figure(data=traces, layout=layout)


def stage_bars(summaries: Mapping[str, LatencySummary]) -> go.Figure:
    """Return one bar per model from photo file to faces, split into the median latency of each stage."""
    names = [detector_entry(key).name for key in summaries]
    colours = [detector_entry(key).colour for key in summaries]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": stage,
            "y": names,
            "x": [found.stages[stage] for found in summaries.values()],
            "marker": {"color": colours, "opacity": _SHADES[stage], "line": {"width": 1, "color": "#ffffff"}},
            "text": stage if stage == "network" else "",
            "textangle": 0,
            "insidetextanchor": "middle",
            "hovertemplate": f"{stage}: %{{x:.1f}} ms<extra>%{{y}}</extra>",
        }
        for stage in STAGES
    ]
    layout = chart_layout(
        240,
        barmode="stack",
        showlegend=False,
        xaxis={"title": {"text": "Median latency by stage (ms)"}},
        yaxis={"autorange": "reversed", "automargin": True},
    )
    return go.Figure(data=traces, layout=layout)


def sweep_lines(axis: str, points: Sequence[tuple[float | str, LatencyResult]]) -> go.Figure:
    """Return each model's median latency per image against `axis`, with error bars up to p95."""
    keys = dict.fromkeys(key for _, result in points for key in result.milliseconds)
    layout = chart_layout(
        340,
        hovermode="x unified",
        xaxis={"title": {"text": axis}, "tickvals": [place for place, _ in points]},
        yaxis={"title": {"text": "Latency per image (ms)"}, "rangemode": "tozero"},
    )
    return go.Figure(data=[_sweep_line(key, points) for key in keys], layout=layout)


def _sweep_line(key: str, points: Sequence[tuple[float | str, LatencyResult]]) -> dict[str, object]:
    found = [(place, summary(result, key)) for place, result in points if key in result.milliseconds]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": detector_entry(key).name,
        "x": [place for place, _ in found],
        "y": [one.median for _, one in found],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [one.p95 - one.median for _, one in found],
            "arrayminus": [0] * len(found),
        },
        "line": {"color": detector_entry(key).colour, "width": 2},
        "hovertemplate": "%{y:.1f} ms per image",
    }
