"""The chart of one step of the story: grouped bars with error bars."""

from __future__ import annotations

import plotly.graph_objects as go

from featherface.reporting.figures.style import chart_layout
from featherface.study.story import Series, StepChart

__all__ = ["story_bars"]

_INTERVAL_COLOUR = "#64748b"  # visible on all bars and in both themes
_BACKGROUND = 0.35  # opacity of the bars that the headline is not about


def story_bars(chart: StepChart, height: int = 400) -> go.Figure:
    """Return vertical bars, `height` pixels high; the categories that are not marked are paler.

    The values stand in the bars; those of a single series below its categories, clear of the error bars.
    """
    figure = go.Figure([_bar(chart, series) for series in chart.series])
    figure.update_layout(
        chart_layout(
            height,
            barmode="group",
            showlegend=len(chart.series) > 1,
            xaxis={"tickvals": list(chart.categories), "ticktext": _category_labels(chart)},
            yaxis={"title": {"text": chart.unit.partition(";")[0].replace(", ", ",<br>")}, "zeroline": True},
        )
    )
    return figure


def _category_labels(chart: StepChart) -> list[str]:
    """Return each category, with its value where there is a single series."""
    if len(chart.series) > 1:
        return list(chart.categories)
    values = _value_texts(chart, chart.series[0])
    return [f"{category}<br>{value}" for category, value in zip(chart.categories, values, strict=True)]


def _value_texts(chart: StepChart, series: Series) -> list[str]:
    return [f"{value:.{chart.decimals}f}" for value in series.values]


def _bar(chart: StepChart, series: Series) -> go.Bar:
    pairs = list(zip(series.values, series.intervals, strict=True))
    return go.Bar(
        name=series.name,
        x=list(chart.categories),
        y=list(series.values),
        error_y={
            "visible": any(series.intervals),
            "array": [interval and interval[1] - value for value, interval in pairs],
            "arrayminus": [interval and value - interval[0] for value, interval in pairs],
            "color": _INTERVAL_COLOUR,
            "thickness": 1.5,
        },
        text=_value_texts(chart, series) if len(chart.series) > 1 else None,
        textposition="inside",
        insidetextanchor="start",
        marker={
            "color": series.colour,
            "opacity": [
                1.0 if chart.marked in ("", category) else _BACKGROUND for category in chart.categories
            ],
        },
        hovertemplate=f"%{{x}}: %{{y:.{chart.decimals + 1}f}}<extra>{series.name}</extra>",
    )
