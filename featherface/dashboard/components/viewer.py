"""The photo viewer: one panel per model with its faces; all panels zoom together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from featherface.dashboard.server.streamlit_internals import add_media
from featherface.dashboard.state.photo_regions import MAX_REGION_SIZE
from featherface.detection.detections import Detections
from featherface.robustness.missed_faces import Spot

__all__ = ["FullPhoto", "Marks", "Panel", "show_viewer"]

_HERE = Path(__file__).parent
_SCRIPTS = ("viewer.js", "viewer_tiles.js", "viewer_wipe.js", "viewer_differences.js")  # one module
_COORDINATES = "viewer"  # Streamlit drops a session's earlier file at the same coordinates

_component = st.components.v2.component(
    "featherface_viewer",
    html='<div class="viewer"></div>\n\n',  # Streamlit takes a string of one line for the name of a file
    css="\n".join((_HERE / name).read_text(encoding="utf-8") for name in ("model_views.css", "viewer.css")),
    js="\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
)


@dataclass(frozen=True, eq=False)
class Panel:
    """The photo with one model's faces, in pixels of the original.

    pairs: (N,) integers; faces of two panels with the same number match, -1 means no match.
    shown: indices of the faces to draw. notes: (N,) tooltip texts.
    """

    name: str
    short_name: str
    colour: str
    alt: str
    message: str  # shown over the photo, for instance that no face was found; may be empty
    detections: Detections
    pairs: np.ndarray
    shown: Sequence[int] | np.ndarray
    notes: Sequence[str]


@dataclass(frozen=True)
class FullPhoto:
    """Where a browser finds the photo's own pixels once it zooms in.

    address: below which `featherface.dashboard.server.region_route` serves parts of it. preview: width in
    pixels of the image that is shown until then.
    """

    address: str
    preview: int


@dataclass(frozen=True)
class Marks:
    """What is drawn besides the faces of the models, in pixels of the original.

    truth: boxes of the faces that a person has marked, x1, y1, x2, y2. spot: what is being explained.
    """

    truth: Sequence[Sequence[float]] = ()
    spot: Spot | None = None


def show_viewer(
    photo_key: str,
    jpeg: bytes,
    size: tuple[int, int],
    panels: Sequence[Panel],
    *,
    landmarks: bool,
    scores: bool,
    full: FullPhoto | None = None,
    marks: Marks = Marks(),
    wipe: bool = False,
    differences: bool = False,
    pick: bool = False,
) -> Spot | None:
    """Show the image file `jpeg`, of an original of `size` (width, height) pixels, in every panel.

    wipe: lay two panels over each other, with a divider. differences: list the faces without a match as
    thumbnails. pick: let people click a point or draw a box; returned is the one marked just now, in whole
    pixels of the original, or None.

    The zoom is kept until `photo_key` changes. The browser gets the URL of the image and fetches it once, not
    with every move of a slider.
    """
    url = add_media(jpeg, "image/jpeg", _COORDINATES)
    result = _component(
        key="viewer",
        data={
            "photo": photo_key,
            "image": url.removeprefix("/"),  # relative to the page, so that it also holds behind a base path
            "regions": full.address if full else None,
            "preview": full.preview if full else size[0],
            "tile": MAX_REGION_SIZE,
            "width": size[0],
            "height": size[1],
            "landmarks": landmarks,
            "scores": scores,
            "truth": [[float(value) for value in box] for box in marks.truth],
            "spot": _corners(marks.spot),
            "wipe": wipe,
            "differences": differences,
            "pick": pick,
            "panels": [_panel(panel) for panel in panels],
        },
        on_spot_change=lambda: None,
    )
    return _spot(result.spot, size)


def _corners(spot: Spot | None) -> list[float] | None:
    """Return the two or four coordinates of a spot."""
    if spot is None:
        return None
    return [*spot.box] if spot.box else [spot.x1, spot.y1]


def _spot(sent: object, size: tuple[int, int]) -> Spot | None:
    """Return the point or box that the browser sent; None if it sent none, or one outside the photo."""
    width, height = size
    match sent:
        case {"point": [float() | int() as x, float() | int() as y]}:
            return Spot(int(x), int(y)) if 0 <= x < width and 0 <= y < height else None
        case {
            "box": [
                float() | int() as x1,
                float() | int() as y1,
                float() | int() as x2,
                float() | int() as y2,
            ]
        } if 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height:
            left, top = int(x1), int(y1)
            return Spot(left, top, max(round(x2), left + 1), max(round(y2), top + 1))
    return None


def _panel(panel: Panel) -> dict[str, object]:
    faces = panel.detections.to_dict()
    return {
        "name": panel.name,
        "short": panel.short_name,
        "colour": panel.colour,
        "alt": panel.alt,
        "message": panel.message,
        "count": len(panel.detections),
        "faces": [
            {
                "box": faces["boxes"][index],
                "points": faces["landmarks"][index],
                "score": faces["scores"][index],
                "pair": int(panel.pairs[index]),
                "note": panel.notes[index],
            }
            for index in np.asarray(panel.shown).tolist()
        ],
    }
