"""Plotly figures of average precision: by subset, as precision-recall curves, and beside other detectors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from featherface.evaluation.average_precision import Curve
from featherface.models import MODELS
from featherface.reporting.figures.label_places import label_places
from featherface.reporting.figures.style import chart_layout

__all__ = ["curve_chart", "peers_chart", "precision_bars"]

_DRAWN_POINTS = 250  # of a curve's thousand: more than a chart has pixels for
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon")
_PEER_COLOUR = "#64748b"
_INTERVAL_COLOUR = "#64748b"  # visible on all bars and in both themes
_PLOT_WIDTH, _PLOT_HEIGHT = 900, 300  # pixels between the axes in a wide window, to place names
_PAD = 0.3  # decades left and right of the outermost detectors, for their names
_ROUND_TICKS = [step * 10.0**power for power in range(-5, 12) for step in (1, 2, 5)]


def precision_bars(curves: Mapping[str, Mapping[str, Curve]]) -> go.Figure:
    """Return average precision with its confidence interval; `curves` by model key and subset."""
    figure = go.Figure([_precision_bar(key, found) for key, found in curves.items()])
    figure.update_layout(
        chart_layout(
            360,
            barmode="group",
            xaxis={"title": {"text": "Average precision"}, "range": [0, 1], "tickformat": ".1f"},
            yaxis={"title": {"text": "Subset"}, "autorange": "reversed"},
        )
    )
    return figure


def _precision_bar(key: str, curves: Mapping[str, Curve]) -> go.Bar:
    found = list(curves.values())
    return go.Bar(
        name=MODELS[key].name,
        orientation="h",  # five groups of vertical bars leave no room for numbers on a phone
        x=[curve.average_precision for curve in found],
        y=list(curves),
        error_x={
            "array": [curve.interval and curve.interval[1] - curve.average_precision for curve in found],
            "arrayminus": [curve.interval and curve.average_precision - curve.interval[0] for curve in found],
            "color": _INTERVAL_COLOUR,
            "thickness": 1.5,
        },
        customdata=[_interval_text(curve) for curve in found],
        text=[f"{curve.average_precision:.3f}" for curve in found],
        textposition="inside",
        insidetextanchor="start",  # clear of the error bar
        marker={"color": MODELS[key].colour},
        hovertemplate="%{y}: %{x:.4f}<br>%{customdata}" + f"<extra>{MODELS[key].name}</extra>",
    )


def _interval_text(curve: Curve) -> str:
    if curve.interval is None:
        return curve.no_interval or "no confidence interval"
    low, high = curve.interval
    return f"95% confidence interval {low:.3f} to {high:.3f}"


def curve_chart(curves: Mapping[str, Curve]) -> go.Figure:
    """Return precision against recall, one line per model; `curves` by model key."""
    figure = go.Figure()
    for key, curve in curves.items():
        chosen = np.unique(np.linspace(0, len(curve.recall) - 1, _DRAWN_POINTS).astype(int))
        figure.add_trace(
            go.Scatter(
                name=f"{MODELS[key].name}: {curve.average_precision:.3f}",
                x=curve.recall[chosen],
                y=curve.precision[chosen],
                customdata=curve.thresholds[chosen],
                mode="lines",
                line={"color": MODELS[key].colour, "width": 2},
                hovertemplate="recall %{x:.3f}, precision %{y:.3f}, threshold %{customdata:.3f}",
            )
        )
    figure.update_layout(
        chart_layout(
            360,
            xaxis={"title": {"text": "Recall"}, "range": [0, 1]},
            yaxis={"title": {"text": "Precision"}, "range": [0, 1.02]},
        )
    )
    return figure


def peers_chart(rows: pd.DataFrame, x_title: str, y_title: str) -> go.Figure:
    """Return detectors as points, one symbol per protocol, with the given axis titles.

    `rows` has the columns name, protocol, x, precision, note (for the tooltip) and model: for our own models,
    which get their colours, the key in MODELS; else empty.
    """
    low, high = np.log10(rows["x"].min()) - _PAD, np.log10(rows["x"].max()) + _PAD
    across = (np.log10(rows["x"]) - low) / (high - low) * _PLOT_WIDTH
    up = rows["precision"] / (np.ptp(rows["precision"]) or 1) * _PLOT_HEIGHT
    rows = rows.assign(place=label_places(across, up, rows["name"].tolist()))
    figure = go.Figure()
    for number, (protocol, group) in enumerate(rows.groupby("protocol", sort=False)):
        own = [MODELS.get(key) for key in group["model"]]
        figure.add_trace(
            go.Scatter(
                name=str(protocol),
                x=group["x"],
                y=group["precision"],
                text=group["name"],
                customdata=group["note"],
                mode="markers+text",
                textposition=group["place"],
                marker={
                    "symbol": _SYMBOLS[number % len(_SYMBOLS)],
                    "size": [15 if entry else 11 for entry in own],
                    "color": [entry.colour if entry else _PEER_COLOUR for entry in own],
                    "line": {"width": 1, "color": "rgba(255, 255, 255, 0.7)"},
                },
                hovertemplate=f"%{{text}}<br>%{{y:.1f}}<br>%{{customdata}}<extra>{protocol}</extra>",
            )
        )
    figure.update_layout(
        chart_layout(
            460,
            showlegend=True,
            xaxis={
                "title": {"text": x_title},
                "type": "log",
                "range": [low, high],
                "tickvals": _ROUND_TICKS,
                "tickformat": "~s",
            },
            yaxis={"title": {"text": y_title}},
        )
    )
    return figure
