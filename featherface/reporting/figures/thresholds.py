"""Plotly figure of what changes with the confidence threshold."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from featherface.detection.agreement import AgreementCurve
from featherface.models import DetectorEntry
from featherface.reporting.figures.style import BOTH_COLOUR, chart_layout

__all__ = ["mark_thresholds", "threshold_chart"]

_CROWDED = 0.1  # below this threshold there can be thousands of faces, which would flatten the rest
_MARK_COLOUR = "#7c8a90"


def threshold_chart(
    curve: AgreementCurve, first: DetectorEntry, second: DetectorEntry, current: Mapping[str, float]
) -> go.Figure:
    """Return the number of faces (above) and the agreement (below) by confidence threshold.

    `current` maps the models' keys to their current thresholds, which are marked.
    """
    lines = (
        (first.name, curve.first, first.colour, "solid"),
        (second.name, curve.second, second.colour, "solid"),
        ("Found by both", curve.both, BOTH_COLOUR, "dot"),
    )
    traces: list[dict[str, object]] = [
        {
            "type": "scatter",
            "name": name,
            "x": curve.confidences,
            "y": counts,
            "line": {"color": colour, "dash": dash, "width": 2},
            "hovertemplate": "%{y} faces",
        }
        for name, counts, colour, dash in lines
    ]
    traces.append(
        {
            "type": "scatter",
            "name": "Agreement",
            "x": curve.confidences,
            "y": 100 * curve.share,
            "yaxis": "y2",
            "line": {"color": BOTH_COLOUR, "width": 2},
            "fill": "tozeroy",
            "showlegend": False,
            "hovertemplate": "%{y:.0f}%",
        }
    )
    layout = chart_layout(
        400,
        hovermode="x unified",
        xaxis={
            "title": {"text": "Confidence threshold"},
            "range": [0, 1],
            "anchor": "y2",
            "hoverformat": ".2f",
        },
        yaxis={"title": {"text": "Faces"}, "domain": [0.44, 1], "range": [0, _highest_count(curve)]},
        yaxis2={"title": {"text": "Agreement (%)"}, "domain": [0, 0.34], "range": [0, 105]},
    )
    figure = go.Figure(data=traces, layout=layout)
    mark_thresholds(figure, first, second, current)
    return figure


def mark_thresholds(
    figure: go.Figure, first: DetectorEntry, second: DetectorEntry, current: Mapping[str, float]
) -> None:
    """Mark the current thresholds in a chart of `threshold_chart`, in place of those marked before.

    Takes a seventh of the time of a new chart.
    """
    same = current[first.key] == current[second.key]
    figure.layout.shapes = (
        [_mark(current[first.key], _MARK_COLOUR)]
        if same
        else [_mark(current[entry.key], entry.colour) for entry in (first, second)]
    )
    label = {
        "text": f"{current[first.key]:.2f}" if same else "",
        "x": current[first.key],
        "y": 1,
        "yref": "paper",
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "top",
    }
    figure.layout.annotations = [label]


def _mark(threshold: float, colour: str) -> dict[str, object]:
    return {
        "type": "line",
        "x0": threshold,
        "x1": threshold,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": colour, "width": 1.5, "dash": "dash"},
    }


def _highest_count(curve: AgreementCurve) -> float:
    usual = curve.confidences >= _CROWDED
    return 1.1 * max(1, int(curve.first[usual].max()), int(curve.second[usual].max()))
