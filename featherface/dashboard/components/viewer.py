"""One photo several times over, each with the faces of one model; zooming one zooms all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from streamlit import runtime

from featherface.detection.detections import Detections

__all__ = ["Panel", "show_viewer"]

_HERE = Path(__file__).parent
_COORDINATES = "viewer"  # by which Streamlit knows which earlier picture of a session the next one replaces

_component = st.components.v2.component(
    "featherface_viewer",
    html='<div class="viewer"></div>\n\n',
    css=(_HERE / "viewer.css").read_text(encoding="utf-8"),
    js=(_HERE / "viewer.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, eq=False)
class Panel:
    """The photo with one model's faces, in pixels of the original.

    pairs: (N,) integers; faces of two panels with the same number are one face, -1 has no partner.
    shown: indices of the faces to draw. notes: (N,) texts for the tooltips.
    """

    name: str
    colour: str
    alt: str
    message: str  # over the picture, for instance that there is no face; may be empty
    detections: Detections
    pairs: np.ndarray
    shown: Sequence[int] | np.ndarray
    notes: Sequence[str]


def show_viewer(
    photo_key: str,
    jpeg: bytes,
    size: tuple[int, int],
    panels: Sequence[Panel],
    *,
    landmarks: bool,
    scores: bool,
) -> None:
    """Show the picture in the file `jpeg`, of an original of `size` (width, height), in every panel.

    The zoom stays until another `photo_key` comes. The browser is sent the picture's address and asks for the
    picture itself once, not with every move of a slider.
    """
    address = runtime.get_instance().media_file_mgr.add(jpeg, "image/jpeg", _COORDINATES)
    _component(
        key="viewer",
        data={
            "photo": photo_key,
            "picture": address,
            "width": size[0],
            "height": size[1],
            "landmarks": landmarks,
            "scores": scores,
            "panels": [_panel(panel) for panel in panels],
        },
    )


def _panel(panel: Panel) -> dict[str, object]:
    faces = panel.detections.to_dict()
    return {
        "name": panel.name,
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
