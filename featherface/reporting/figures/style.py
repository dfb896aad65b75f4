"""Plotly figures of numbers that others computed. Fonts, ground and grid come from the theme when shown."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from featherface.detection.agreement import AgreementCurve
from featherface.models import ModelEntry

__all__ = ["BOTH_COLOUR", "chart_layout", "threshold_chart"]

_CROWDED = 0.1  # below this threshold counts run into thousands and would flatten all the rest
BOTH_COLOUR = "#0d9488"  # what two models share; told apart from blue and orange, in light and dark


def chart_layout(height: int, **parts: object) -> dict[str, object]:
    """Return what the layout of every chart starts from, `height` in pixels, with further Plotly `parts`."""
    return {
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 40, "b": 10},
        "legend": {"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"},
        **parts,
    }


def threshold_chart(
    curve: AgreementCurve, first: ModelEntry, second: ModelEntry, current: Mapping[str, float]
) -> go.Figure:
    """Return face counts above and agreement below, against the confidence threshold.

    `current` maps the models' keys to the thresholds in force, which are marked.
    """
    lines = (
        (first.name, curve.first, first.colour, "solid"),
        (second.name, curve.second, second.colour, "solid"),
        ("Found by both", curve.both, BOTH_COLOUR, "dot"),
    )
    traces = [
        {
            "type": "scatter",
            "name": name,
            "x": curve.confidences,
            "y": counts,
            "line": {"color": colour, "dash": dash, "width": 2},
            "hovertemplate": "%{y} at %{x:.2f}",
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
            "hovertemplate": "%{y:.0f} % at %{x:.2f}",
        }
    )
    together = len(set(current.values())) == 1
    marks = [
        {
            "type": "line",
            "x0": current[entry.key],
            "x1": current[entry.key],
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": "#7c8a90" if together else entry.colour, "width": 1.5, "dash": "dash"},
        }
        for entry in ((first,) if together else (first, second))
    ]
    layout = chart_layout(
        400,
        hovermode="x unified",
        xaxis={"title": {"text": "Confidence threshold"}, "range": [0, 1], "anchor": "y2"},
        yaxis={"title": {"text": "Faces"}, "domain": [0.44, 1], "range": [0, _tallest(curve)]},
        yaxis2={"title": {"text": "Agreement, %"}, "domain": [0, 0.34], "range": [0, 105]},
        shapes=marks,
        annotations=[
            {
                "text": f"{current[first.key]:.2f}" if together else "",
                "x": current[first.key],
                "y": 1,
                "yref": "paper",
                "showarrow": False,
                "xanchor": "left",
                "yanchor": "top",
            }
        ],
    )
    return go.Figure(data=traces, layout=layout)


def _tallest(curve: AgreementCurve) -> float:
    usual = curve.confidences >= _CROWDED
    return 1.1 * max(1, curve.first[usual].max(), curve.second[usual].max())
