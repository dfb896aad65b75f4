"""Recall against the severity of a corruption, and average precision per corruption, per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from featherface.models import MODELS
from featherface.reporting.figures.style import chart_layout
from featherface.robustness.photo_stress import BREAKING_RECALL, PhotoStress

__all__ = ["corruption_bars", "recall_lines"]

_MARK_COLOUR = "#7c8a90"
_MARKERS = ("circle", "diamond", "square")  # lines that coincide stay distinct


def recall_lines(stress: PhotoStress, keys: Sequence[str], severity: int) -> go.Figure:
    """Return recall in percent of the models `keys` at each severity.

    Dashed lines mark the recall below which a model breaks, and `severity`, the one shown in the viewer.
    """
    figure = go.Figure()
    for index, key in enumerate(keys):
        figure.add_scatter(
            name=MODELS[key].name,
            x=[step.severity for step in stress.steps],
            y=[100 * step.recall(key) for step in stress.steps],
            customdata=[[step.matched[key], len(step.truth), step.other_boxes(key)] for step in stress.steps],
            mode="lines+markers",
            line={"color": MODELS[key].colour, "width": 2},
            marker={"size": 9 - 2 * min(index, 2), "symbol": _MARKERS[index % len(_MARKERS)]},
            hovertemplate="%{y:.0f}%: %{customdata[0]} of %{customdata[1]} faces, "
            "%{customdata[2]} other boxes",
        )
    half = 100 * BREAKING_RECALL
    figure.update_layout(
        chart_layout(
            360,
            hovermode="x unified",
            xaxis={"title": {"text": "Severity (0: clean photo)"}, "dtick": 1, "range": [-0.2, 5.2]},
            yaxis={"title": {"text": "Recall (%)"}, "range": [-4, 104]},
            shapes=[_dashed("x", (0, 1), (half, half)), _dashed("y", (severity, severity), (0, 1))],
        )
    )
    return figure


def corruption_bars(scores: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Return bars of average precision (0..1) by model key and then by name of the corruption."""
    figure = go.Figure()
    for key, by_corruption in scores.items():
        figure.add_bar(
            name=MODELS[key].name,
            x=list(by_corruption),
            y=list(by_corruption.values()),
            marker={"color": MODELS[key].colour},
            hovertemplate="%{y:.3f}",
        )
    figure.update_layout(
        chart_layout(
            420,
            barmode="group",
            hovermode="x unified",
            xaxis={"tickangle": -40},
            yaxis={"title": {"text": "Average precision"}, "range": [0, 1]},
        )
    )
    return figure


def _dashed(paper: str, x: tuple[float, float], y: tuple[float, float]) -> dict[str, object]:
    """Return a dashed line that spans the whole plot along the axis `paper`, "x" or "y"."""
    return {
        "type": "line",
        "x0": x[0],
        "x1": x[1],
        "y0": y[0],
        "y1": y[1],
        f"{paper}ref": f"{paper} domain",
        "line": {"color": _MARK_COLOUR, "width": 1.5, "dash": "dash"},
    }
