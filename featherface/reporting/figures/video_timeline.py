"""The timeline of a video: face counts per model, and where two models disagree."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from featherface.detection.agreement import Agreement
from featherface.models import MODELS
from featherface.reporting.figures.style import BOTH_COLOUR, chart_layout
from featherface.video.analysis import VideoFaces

__all__ = ["video_timeline"]

_MARKED_FRAMES = 2_000


def video_timeline(
    faces: VideoFaces, keys: Sequence[str], agreements: Sequence[Agreement] = (), current: int | None = None
) -> go.Figure:
    """Return face counts of the models `keys` over time, and below them how many faces only one found.

    agreements: of the two models, frame by frame; without them there is no lower chart. current: the place,
    among the analysed frames, of the frame that is shown; it is marked. Every marker carries the place of its
    frame, so that a click on it can open the frame; in long videos only the lower chart has markers, which
    browsers draw slowly.
    """
    seconds = [frame.seconds for frame in faces.frames]
    places = list(range(len(faces.frames)))
    figure = go.Figure()
    for key in keys:
        figure.add_scatter(
            name=MODELS[key].name,
            x=seconds,
            y=[len(frame.faces[key]) for frame in faces.frames],
            customdata=places,
            mode="lines+markers" if not agreements or len(places) <= _MARKED_FRAMES else "lines",
            line={"color": MODELS[key].colour, "width": 2, "shape": "hv"},
            marker={"size": 5},
            hovertemplate="%{y} faces at %{x:.2f} s",
        )
    counts = [len(found) for frame in faces.frames for found in frame.faces.values()]
    differing = [len(one.only_first) + len(one.only_second) for one in agreements]
    if agreements:
        figure.add_scatter(
            name="Found by one model only",
            x=seconds,
            y=differing,
            customdata=places,
            yaxis="y2",
            mode="lines+markers",
            line={"color": BOTH_COLOUR, "width": 1.5, "shape": "hv"},
            marker={"size": 6},
            fill="tozeroy",
            text=[one.both for one in agreements],
            hovertemplate="%{y} faces, %{text} found by both, at %{x:.2f} s",
        )
    marks = [] if current is None else [_mark(seconds[current])]
    figure.update_layout(
        chart_layout(
            420,
            hovermode="closest",
            clickmode="event+select",
            xaxis={"title": {"text": "Time (s)"}, "anchor": "y2"},
            yaxis={"title": {"text": "Faces"}, "domain": [0.4, 1], **_whole_numbers(counts)},
            yaxis2={"title": {"text": "Found by one model"}, "domain": [0, 0.3], **_whole_numbers(differing)},
            shapes=marks,
        )
    )
    return figure


def _whole_numbers(values: Sequence[int]) -> dict[str, object]:
    """Return an axis from 0 with at most about five ticks, all at whole numbers."""
    most = max(values, default=0)
    return {"range": [0, 1.1 * max(1, most)], "tick0": 0, "dtick": max(1, -(-most // 5))}


def _mark(second: float) -> dict[str, object]:
    return {
        "type": "line",
        "x0": second,
        "x1": second,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": "#7c8a90", "width": 1.5, "dash": "dash"},
    }
