"""Where the names of points go in a chart, so that they cover neither each other nor the points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["label_places"]

_CHARACTER, _LINE, _MARKER = 6.5, 16.0, 14.0  # pixels: mean width and height of text, size of a point
# Plotly's names of the places about a point, best first, and the way from there to the label's centre, in
# half sizes of label and point.
_PLACES = {
    "top center": (0, 1),
    "bottom center": (0, -1),
    "middle right": (1, 0),
    "middle left": (-1, 0),
    "top right": (1, 1),
    "bottom right": (1, -1),
    "top left": (-1, 1),
    "bottom left": (-1, -1),
}


def label_places(x: npt.ArrayLike, y: npt.ArrayLike, names: Sequence[str]) -> list[str]:
    """Return Plotly's `textposition` for the name of each point; x and y (N,) are in pixels, y upwards.

    Points are served from the top down: each name takes the first place where it covers nothing, else the
    one where it covers least.
    """
    points = np.column_stack((x, y)).astype(float)
    taken = [_box(point, (_MARKER, _MARKER)) for point in points]
    places = [""] * len(names)
    for index in np.argsort(-points[:, 1], kind="stable").tolist():
        size = np.array((_CHARACTER * len(names[index]), _LINE))
        boxes = {
            place: _box(points[index] + way * (size + _MARKER) / 2, size)
            for place, way in ((name, np.array(way)) for name, way in _PLACES.items())
        }
        others = [box for other, box in enumerate(taken) if other != index]
        places[index] = min(boxes, key=lambda place: sum(_shared(boxes[place], box) for box in others))
        taken.append(boxes[places[index]])
    return places


def _box(centre: npt.NDArray[np.float64], size: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return x1, y1, x2, y2."""
    half = np.asarray(size, float) / 2
    return np.concatenate((centre - half, centre + half))


def _shared(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Return the area that two boxes share."""
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    return float(sides.clip(0).prod())
