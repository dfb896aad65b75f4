"""Plotly figures of the study: the radar, average precision, peers and training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from featherface.evaluation.average_precision import Curve
from featherface.models import MODELS
from featherface.reporting.figures.style import BOTH_COLOUR, chart_layout
from featherface.study.radar import Radar
from featherface.study.results import TrainingLog

__all__ = [
    "MIN_RADAR_AXES",
    "PEER_COLUMNS",
    "curve_chart",
    "losses_chart",
    "peers_chart",
    "precision_bars",
    "radar_chart",
    "scores_chart",
]

MIN_RADAR_AXES = 3  # below, a radar has no area
PEER_COLUMNS = ("name", "protocol", "x", "precision", "note", "model")  # of the table for `peers_chart`

_DRAWN_POINTS = 250  # of a curve's thousand: more than a chart has pixels for
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon")
_PEER_COLOUR = "#64748b"
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_PAD = 0.3  # decades left and right of the outermost detectors, for their names
_ROUND_TICKS = {"tickvals": [step * 10.0**power for power in range(-5, 12) for step in (1, 2, 5)]}
_MAX_LOSSES = 6  # lines in a chart of losses, beside their mean


def radar_chart(radar: Radar) -> go.Figure:
    """Draw the measured axes, of which there must be three, a polygon a model."""
    names = [axis.name.replace(" (", "<br>(") for axis in radar.axes]
    figure = go.Figure()
    for key, entry in MODELS.items():
        scores = [axis.scores[key] for axis in radar.axes]
        figure.add_trace(
            go.Scatterpolar(
                name=entry.name,
                theta=[*names, names[0]],
                r=[*scores, scores[0]],
                fill="toself",
                fillcolor=_translucent(entry.colour),
                line={"color": entry.colour, "width": 2},
                marker={"size": 6},
                mode="lines+markers",
                hovertemplate="%{theta}: %{r:.3f}<extra>" + entry.name + "</extra>",
            )
        )
    grid = {"gridcolor": "rgba(128, 140, 145, 0.35)", "linecolor": "rgba(128, 140, 145, 0.35)"}
    polar = {
        "bgcolor": "rgba(0, 0, 0, 0)",
        "radialaxis": {
            "range": [0, 1.02],
            "tickvals": [0.25, 0.5, 0.75, 1],
            "angle": 90,
            "tickangle": 90,
            **grid,
        },
        "angularaxis": {"rotation": 90, "direction": "clockwise", **grid},
    }
    figure.update_layout(chart_layout(420, polar=polar) | {"margin": {"l": 80, "r": 80, "t": 50, "b": 80}})
    return figure


def precision_bars(curves: Mapping[str, Mapping[str, Curve]]) -> go.Figure:
    """Draw average precision and its interval from curves by model key and subset, grouped by subset."""
    figure = go.Figure([_precision_bar(key, found) for key, found in curves.items()])
    figure.update_layout(
        chart_layout(
            360,
            barmode="group",
            xaxis={"title": {"text": "Average precision"}, "range": [0, 1], "tickformat": ".1f"},
            yaxis={"title": {"text": ""}, "autorange": "reversed"},
        )
    )
    return figure


def _precision_bar(key: str, curves: Mapping[str, Curve]) -> go.Bar:
    scores = [curve.average_precision for curve in curves.values()]
    intervals = [curve.interval or (curve.average_precision,) * 2 for curve in curves.values()]
    return go.Bar(
        name=MODELS[key].name,
        orientation="h",  # upright, the numbers of five groups find no room on a phone
        x=scores,
        y=list(curves),
        error_x={
            "array": [high - score for score, (_, high) in zip(scores, intervals, strict=True)],
            "arrayminus": [score - low for score, (low, _) in zip(scores, intervals, strict=True)],
            "color": "#64748b",  # seen on both bars and both themes
            "thickness": 1.5,
        },
        customdata=intervals,
        text=[f"{score:.3f}" for score in scores],
        textposition="inside",
        insidetextanchor="start",  # clear of the interval's line
        marker={"color": MODELS[key].colour},
        hovertemplate="%{y}: %{x:.4f}, 95 % interval %{customdata[0]:.3f} to %{customdata[1]:.3f}"
        f"<extra>{MODELS[key].name}</extra>",
    )


def curve_chart(curves: Mapping[str, Curve]) -> go.Figure:
    """Draw precision against recall, a line a model; `curves` by its key."""
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
                hovertemplate="recall %{x:.3f}, precision %{y:.3f}, score %{customdata:.3f}",
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
    """Draw detectors as points, a symbol a protocol; the axes' titles name what they show.

    `rows` has PEER_COLUMNS; `model` is a key of MODELS for our own, drawn in their colours, else empty.
    """
    figure = go.Figure()
    for symbol, (protocol, group) in zip(_SYMBOLS, rows.groupby("protocol", sort=False), strict=False):
        own = [MODELS.get(key) for key in group["model"]]
        figure.add_trace(
            go.Scatter(
                name=protocol,
                x=group["x"],
                y=group["precision"],
                text=group["name"],
                customdata=group["note"],
                mode="markers+text",
                textposition="top center",
                marker={
                    "symbol": symbol,
                    "size": [15 if entry else 11 for entry in own],
                    "color": [entry.colour if entry else _PEER_COLOUR for entry in own],
                    "line": {"width": 1, "color": "rgba(255, 255, 255, 0.7)"},
                },
                hovertemplate="%{text}<br>%{y:.1f}<br>%{customdata}<extra>" + protocol + "</extra>",
            )
        )
    figure.update_layout(
        chart_layout(
            460,
            showlegend=True,
            xaxis={
                "title": {"text": x_title},
                "type": "log",
                "range": [np.log10(rows["x"].min()) - _PAD, np.log10(rows["x"].max()) + _PAD],
                **_ROUND_TICKS,
                "tickformat": "~s",
            },
            yaxis={"title": {"text": y_title}},
        )
    )
    return figure


def losses_chart(log: TrainingLog) -> go.Figure:
    """Draw the mean loss against the step, with the single losses where they are few."""
    names = [name for name in log.losses if name not in ("time", "step", "learning_rate", "mean")]
    figure = go.Figure()
    for name, dash in zip(names if len(names) <= _MAX_LOSSES else (), _DASHES * 2, strict=False):
        figure.add_trace(_line(log, name, log.losses[name], BOTH_COLOUR, dash, 1.2))
    figure.add_trace(_line(log, "mean", log.losses["mean"], MODELS[log.model].colour, "solid", 2.5))
    figure.update_layout(
        chart_layout(
            380,
            xaxis={"title": {"text": "Step"}},
            yaxis={"title": {"text": "Loss"}, "type": "log", **_ROUND_TICKS, "tickformat": "~g"},
        )
    )
    return figure


def scores_chart(log: TrainingLog) -> go.Figure:
    """Draw the average precision on development pictures against the step; `log.scores` must be there."""
    figure = go.Figure()
    for name, dash in zip(log.scores.columns.drop("step"), _DASHES, strict=False):
        figure.add_trace(
            go.Scatter(
                name=name,
                x=log.scores["step"],
                y=log.scores[name],
                mode="lines+markers",
                line={"color": MODELS[log.model].colour, "dash": dash, "width": 2},
                hovertemplate="%{y:.4f} at step %{x:,}",
            )
        )
    figure.update_layout(
        chart_layout(
            380,
            xaxis={"title": {"text": "Step"}},
            yaxis={"title": {"text": "Average precision"}, "range": [0, 1]},
        )
    )
    return figure


def _line(
    log: TrainingLog, name: str, values: Sequence[float], colour: str, dash: str, width: float
) -> go.Scatter:
    return go.Scatter(
        name=name.replace("_", " "),
        x=log.losses["step"],
        y=values,
        mode="lines",
        line={"color": colour, "dash": dash, "width": width},
        hovertemplate="%{y:.4g} at step %{x:,}",
    )


def _translucent(colour: str) -> str:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgba({red}, {green}, {blue}, 0.18)"
