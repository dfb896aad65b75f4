"""The live view: frames of this browser's camera, with each model's faces drawn over the video."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from featherface.checkpoints import WeightsFile
from featherface.dashboard.state.live import live_token
from featherface.detection.drawing import Hide
from featherface.detection.settings import DetectionSettings
from featherface.models import detector_entry

__all__ = ["LIVE_SOCKET_PATH", "show_live_view"]

LIVE_SOCKET_PATH = "live/frames"  # relative to the page, so that it also holds behind a base path
_HERE = Path(__file__).parent

_component = st.components.v2.component(
    "featherface_live_view",
    html='<div class="live"></div>\n\n',  # Streamlit takes a string of one line for the name of a file
    css="\n".join(
        (_HERE / name).read_text(encoding="utf-8") for name in ("model_views.css", "live_view.css")
    ),
    js=(_HERE / "live_view.js").read_text(encoding="utf-8"),
)


def show_live_view(
    keys: Sequence[str], settings: DetectionSettings, hide: Hide | None, files: Mapping[str, WeightsFile]
) -> bytes | None:
    """Show the camera with the faces of the models `keys`; return a JPEG when a visitor has frozen a frame.

    files: the model files of other detectors among `keys`. A change of `settings`, `files` or `hide` reaches
    the browser without a new connection.
    """
    result = _component(
        key="live_view",
        data={
            "socket": LIVE_SOCKET_PATH,
            "token": live_token(),
            "settings": {
                "confidence": settings.confidence,
                "nms_iou": settings.nms_iou,
                "input_size": settings.input_size,
                "files": {key: file.sha256 for key, file in files.items()},
            },
            "hide": hide,
            "models": [
                {
                    "key": key,
                    "name": detector_entry(key).name,
                    "short": detector_entry(key).short_name,
                    "colour": detector_entry(key).colour,
                }
                for key in keys
            ],
        },
        on_frozen_change=lambda: None,
        on_outdated_change=lambda: None,  # the run itself brings the new token
    )
    frozen = result.frozen
    try:
        return b64decode(frozen["jpeg"], validate=True) if frozen else None
    except (KeyError, TypeError, Base64Error):
        return None  # not what this component sends
