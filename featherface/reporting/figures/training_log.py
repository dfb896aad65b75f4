"""Plotly figures of how a model was trained."""

from __future__ import annotations

from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from featherface.models import MODELS
from featherface.reporting.figures.style import BOTH_COLOUR, chart_layout
from featherface.study.results import TrainingLog

__all__ = ["losses_chart", "scores_chart"]

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_MAX_LOSSES = 6  # lines beside the mean; more cannot be told apart
_NOT_LOSSES = ("time", "step", "learning_rate", "mean")
_ROUND_TICKS = [step * 10.0**power for power in range(-5, 5) for step in (1, 2, 5)]


def losses_chart(log: TrainingLog) -> go.Figure:
    """Return the mean loss by training step, with the single losses if there are only a few."""
    names = [str(name) for name in log.losses if name not in _NOT_LOSSES]
    steps = log.losses["step"]
    figure = go.Figure()
    for name, dash in zip(names if len(names) <= _MAX_LOSSES else (), cycle(_DASHES), strict=False):
        figure.add_trace(_line(name.replace("_", " "), steps, log.losses[name], BOTH_COLOUR, dash, 1.2))
    colour = MODELS[log.model].colour
    figure.add_trace(_line("mean", steps, log.losses["mean"], colour, "solid", 2.5))
    figure.update_layout(
        chart_layout(
            380,
            xaxis={"title": {"text": "Training step"}},
            yaxis={
                "title": {"text": "Loss"},
                "type": "log",
                "tickvals": _ROUND_TICKS,
                "tickformat": "~g",
            },
        )
    )
    return figure


def scores_chart(model: str, scores: pd.DataFrame) -> go.Figure:
    """Return average precision on the development set by training step, one line per subset.

    model: key in MODELS. scores: `step` and one column per subset, 0..1.
    """
    colour = MODELS[model].colour
    figure = go.Figure()
    for name, dash in zip(scores.columns.drop("step"), cycle(_DASHES), strict=False):
        line = _line(str(name), scores["step"], scores[name], colour, dash, 2)
        figure.add_trace(line.update(mode="lines+markers"))
    figure.update_layout(
        chart_layout(
            380,
            xaxis={"title": {"text": "Training step"}},
            yaxis={"title": {"text": "Average precision"}, "range": [0, 1]},
        )
    )
    return figure


def _line(
    name: str, steps: pd.Series[int], values: pd.Series[float], colour: str, dash: str, width: float
) -> go.Scatter:
    return go.Scatter(
        name=name,
        x=steps,
        y=values,
        mode="lines",
        line={"color": colour, "dash": dash, "width": width},
        hovertemplate="%{y:.4g} at step %{x:,}",
    )
