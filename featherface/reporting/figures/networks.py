"""Plotly figures of the architectures: parameter maps, diagrams, anchors and receptive fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from featherface.config import STRIDES
from featherface.models import group_names
from featherface.profiling.graph import FeatureMap, NetworkGraph, Stage
from featherface.profiling.parameters import ParameterNode
from featherface.reporting.figures.style import chart_layout, data_uri

__all__ = ["Square", "network_diagram", "parameter_map", "photo_squares"]

# Dark enough for white text, and distinct from the models' colours.
_GROUP_COLOURS = ("#475569", "#7c3aed", "#0f766e", "#be185d", "#a16207")
_CLEAR = "rgba(0, 0, 0, 0)"
_NEUTRAL = "#6b7280"  # the image, the output, lines between boxes

_HALF = 0.31  # of a box's height, in units of the distance between rows
_MARGIN = 0.04  # beside a box, in units of the width of a level
_ROW = 58  # pixels
_PHOTO_WIDTH = 900  # pixels, on a wide screen


def parameter_map(
    nodes: Sequence[ParameterNode], name: str, kind: Literal["treemap", "sunburst"]
) -> go.Figure:
    """Return one model's parameters by group, module and tensor; a click opens a part."""
    top = [node for node in nodes if node.parent == ""]
    groups = {node.group: 0 for node in top}
    for node in top:
        groups[node.group] += node.parameters
    rows: list[tuple[str, str, str, int, str | None]] = [(name, "", name, sum(groups.values()), None)]
    rows += [(f"{name}/{group}", name, group, count, group) for group, count in groups.items()]
    rows += [
        (
            f"{name}/{node.group}/{node.path}",
            f"{name}/{node.group}" + (f"/{node.parent}" if node.parent else ""),
            node.label,
            node.parameters,
            node.group,
        )
        for node in nodes
        if node.path
    ]
    ids, parents, labels, values, belongs = zip(*rows, strict=True)
    trace = {
        "type": kind,
        "ids": ids,
        "parents": parents,
        "labels": labels,
        "values": values,
        "branchvalues": "total",
        "maxdepth": 4,
        "marker": {"colors": [_group_colour(group, _CLEAR) for group in belongs]},
        "tiling": {"pad": 1} if kind == "treemap" else None,
        "textinfo": "label+value",
        "texttemplate": "%{label}<br>%{value:,}",
        "hovertemplate": "%{label}<br>%{value:,} parameters<br>%{percentRoot:.1%} of all<extra></extra>",
    }
    return go.Figure(data=[trace], layout=chart_layout(430, margin={"l": 4, "r": 4, "t": 34, "b": 4}))


def network_diagram(graph: NetworkGraph) -> go.Figure:
    """Return the network from the image (top) to the outputs (bottom), one lane per pyramid level."""
    places = _places(graph.stages)
    rows = max(stage.column for stage in graph.stages)
    traces = [_edge_trace(edge.map, places[edge.source], places[edge.target]) for edge in graph.edges]
    for stage in graph.stages:
        traces += _box_traces(stage, places[stage.path])
    layout = chart_layout(
        _ROW * (rows + 1) + 60,
        margin={"l": 2, "r": 2, "t": 50, "b": 2},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        xaxis={"visible": False, "range": [0, len(STRIDES)], "fixedrange": True},
        yaxis={"visible": False, "range": [-rows - 0.5, 0.5], "fixedrange": True},
        annotations=[
            {
                "text": f"<b>P{number}</b>, stride {stride}",
                "x": number - 2.5,
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "showarrow": False,
            }
            for number, stride in enumerate(STRIDES, start=3)
        ],
    )
    return go.Figure(data=traces, layout=layout)


@dataclass(frozen=True)
class Square:
    """A square around the chosen cell; `side` in pixels of the network's input."""

    name: str
    side: float
    colour: str
    dash: str = "solid"


def photo_squares(
    jpeg: bytes, size: tuple[int, int], centre: tuple[float, float], squares: Sequence[Square]
) -> go.Figure:
    """Return a photo with squares around `centre`; the view is as large as the largest square.

    size: width and height of the photo in pixels of the network's input.
    """
    width, height = size
    reach = max((square.side for square in squares), default=0) * 0.51  # half, and room for the line
    left, right = min(0, centre[0] - reach), max(width, centre[0] + reach)
    top, bottom = min(0, centre[1] - reach), max(height, centre[1] + reach)
    traces = [trace for square in squares for trace in _square_traces(square, centre)]
    traces.append(
        {
            "type": "scatter",
            "x": [centre[0]],
            "y": [centre[1]],
            "mode": "markers",
            "marker": {
                "symbol": "cross",
                "size": 9,
                "color": "#ffffff",
                "line": {"color": "#000000", "width": 1},
            },
            "hovertemplate": "Centre of the cell<extra></extra>",
            "showlegend": False,
        }
    )
    layout = chart_layout(
        round(min(600, _PHOTO_WIDTH * (bottom - top) / (right - left))) + 90,
        margin={"l": 4, "r": 4, "t": 80, "b": 4},
        dragmode=False,
        images=[
            {
                "source": data_uri(jpeg),
                "xref": "x",
                "yref": "y",
                "x": 0,
                "y": 0,
                "sizex": width,
                "sizey": height,
                "sizing": "stretch",
                "layer": "below",
            }
        ],
        xaxis={
            "range": [left, right],
            "visible": False,
            "constrain": "domain",
            "constraintoward": "left",
            "fixedrange": True,
        },
        yaxis={
            "range": [bottom, top],
            "visible": False,
            "scaleanchor": "x",
            "constrain": "domain",
            "constraintoward": "top",
            "fixedrange": True,
        },
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
    )
    return go.Figure(data=traces, layout=layout)


@dataclass(frozen=True)
class _Place:
    left: float
    right: float
    y: float
    lanes: frozenset[int]  # the levels that the box spans

    def x_of(self, lane: int) -> float:
        """Return where a line of this level meets the box."""
        return lane + 0.5 if len(self.lanes) > 1 else (self.left + self.right) / 2


def _places(stages: Sequence[Stage]) -> dict[str, _Place]:
    """Return the place of each box by its path; boxes of the same level and row share the lane."""
    shared: dict[tuple[frozenset[int], int], list[str]] = {}
    for stage in stages:
        shared.setdefault((_lanes(stage), stage.column), []).append(stage.path)
    places = {}
    for (lanes, row), paths in shared.items():
        left, right = min(lanes), max(lanes) + 1
        width = (right - left) / len(paths)
        for number, path in enumerate(paths):
            start = left + number * width
            places[path] = _Place(start + _MARGIN, start + width - _MARGIN, -row, lanes)
    return places


def _lanes(stage: Stage) -> frozenset[int]:
    if not stage.maps:  # the output, which spans all levels
        return frozenset(range(len(STRIDES)))
    return frozenset(_lane(found) for found in stage.maps)


def _lane(found: FeatureMap) -> int:
    return STRIDES.index(found.stride) if found.stride in STRIDES else 0


def _edge_trace(found: FeatureMap, source: _Place, target: _Place) -> dict[str, object]:
    lane = _lane(found)
    return {
        "type": "scatter",
        "x": [source.x_of(lane), target.x_of(lane)],
        "y": [source.y - _HALF, target.y + _HALF],
        "mode": "lines",
        "line": {"color": _NEUTRAL, "width": 1.5},
        "hoverinfo": "skip",
    }


def _group_colour(group: str | None, fallback: str) -> str:
    groups = group_names()
    return _GROUP_COLOURS[groups.index(group) % len(_GROUP_COLOURS)] if group in groups else fallback


def _box_traces(stage: Stage, place: _Place) -> list[dict[str, object]]:
    colour = _group_colour(stage.group, _NEUTRAL)
    narrow = place.right - place.left < 0.5
    shapes = "<br>".join(
        f"{found.channels} channels, {found.width} × {found.height}, stride {found.stride}"
        for found in stage.maps
    )
    box: dict[str, object] = {
        "type": "scatter",
        "x": [place.left, place.right, place.right, place.left, place.left],
        "y": [place.y - _HALF] * 2 + [place.y + _HALF] * 2 + [place.y - _HALF],
        "mode": "lines",
        "line": {"color": colour, "width": 1.5},
        "fill": "toself",
        "fillcolor": colour,
        "hoverinfo": "skip",
    }
    label: dict[str, object] = {
        "type": "scatter",
        "x": [(place.left + place.right) / 2],
        "y": [place.y],
        "mode": "text",
        "text": [_label(stage, narrow=narrow)],
        "textfont": {"size": 10 if narrow else 12, "color": "#ffffff"},
        "hovertemplate": f"<b>{stage.path}</b> ({stage.kind})<br>{shapes}<br>"
        f"{stage.parameters:,} parameters<br>{stage.macs:,} MACs<extra></extra>",
    }
    return [box, label]


def _label(stage: Stage, *, narrow: bool) -> str:
    name = stage.name
    if not stage.maps:
        return f"<b>{name}</b>"
    channels = list(dict.fromkeys(found.channels for found in stage.maps))
    text = f"<b>{name}</b><br>{', '.join(map(str, channels))}"
    return text if narrow else f"{text} channels"


def _square_traces(square: Square, centre: tuple[float, float]) -> Iterable[dict[str, object]]:
    """Yield a white square and the coloured one on it, which is then visible on any photo."""
    (x, y), half = centre, square.side / 2
    outline: dict[str, object] = {
        "type": "scatter",
        "x": [x - half, x + half, x + half, x - half, x - half],
        "y": [y - half, y - half, y + half, y + half, y - half],
        "mode": "lines",
        "legendgroup": square.name,
    }
    name = f"{square.name}: {square.side:.0f} px"
    yield outline | {
        "line": {"color": "rgba(255, 255, 255, 0.85)", "width": 5},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    yield outline | {
        "name": name,
        "line": {"color": square.colour, "width": 2.5, "dash": square.dash},
        "hovertemplate": f"{name}<extra></extra>",
    }
