"""Plotly figure of the study's radar chart."""

from __future__ import annotations

import plotly.graph_objects as go

from featherface.models import MODELS
from featherface.reporting.figures.style import chart_layout
from featherface.study.radar import Radar

__all__ = ["MIN_RADAR_AXES", "radar_chart"]

MIN_RADAR_AXES = 3  # with fewer, a polygon has no area
_GRID = {"gridcolor": "rgba(128, 140, 145, 0.35)", "linecolor": "rgba(128, 140, 145, 0.35)"}


def radar_chart(radar: Radar) -> go.Figure:
    """Return one polygon per model over the measured axes, of which there must be MIN_RADAR_AXES or more."""
    names = [axis.name.replace(" (", "<br>(") for axis in radar.axes]
    figure = go.Figure()
    for key in radar.axes[0].scores:
        entry = MODELS[key]
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
    polar = {
        "bgcolor": "rgba(0, 0, 0, 0)",
        "radialaxis": {
            "range": [0, 1.02],
            "tickvals": [0.25, 0.5, 0.75, 1],
            "angle": 90,
            "tickangle": 90,
            **_GRID,
        },
        "angularaxis": {"rotation": 90, "direction": "clockwise", **_GRID},
    }
    figure.update_layout(chart_layout(420, polar=polar) | {"margin": {"l": 80, "r": 80, "t": 50, "b": 80}})
    return figure


def _translucent(colour: str) -> str:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgba({red}, {green}, {blue}, 0.18)"
