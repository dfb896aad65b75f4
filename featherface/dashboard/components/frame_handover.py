"""Opening a frame of a camera or video on the Detection page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from featherface.dashboard.components.controls import HIDE_CHOICES, RESIZE_LABELS, choose_shipped_weights
from featherface.dashboard.components.model_pair import pair_address
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.state.photos import select_frame
from featherface.detection.images import ImageError
from featherface.detection.settings import DetectionSettings

__all__ = ["DETECTION_PAGE", "open_on_detection_page"]

DETECTION_PAGE = Path(__file__).resolve().parents[3] / "pages" / "detection.py"


def open_on_detection_page(
    name: str, image: bytes, models: tuple[str, str], settings: DetectionSettings, *, hide: str = "Off"
) -> None:
    """Add the image file to this session's photos and show it there, or say why it cannot be used.

    models, settings: those that found the faces in the frame, so that the Detection page finds the same.
    hide: a key of HIDE_CHOICES; other than "Off", faces are hidden there too, from the first moment on.
    """
    try:
        select_frame(name, image)
    except ImageError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        choose_shipped_weights(models)  # which found the faces in the frame
        st.session_state.update(_choices(settings))
        st.switch_page(DETECTION_PAGE, query_params=_address(models, settings, hide))


def _choices(settings: DetectionSettings) -> dict[str, object]:
    """Return the state of the Detection page's controls for these settings.

    The address alone does not do: of a value that is a control's default, Streamlit drops the parameter and
    restores what was chosen on the last visit.
    """
    return {
        "resize": settings.resize,
        "input_size": settings.input_size,
        f"scales_{settings.resize.value}": False,
        "rotated": False,
        "linked": True,
        "conf": settings.confidence,
        "nms": settings.nms_iou,
    }


def _address(models: tuple[str, str], settings: DetectionSettings, hide: str) -> dict[str, str]:
    """Return the address of the Detection page with these settings, and one run per model as for a frame."""
    address = {
        **pair_address(models),
        "resize": RESIZE_LABELS[settings.resize],
        "input_size": str(settings.input_size),
        f"scales_{settings.resize.value}": "false",
        "conf": f"{settings.confidence:.2f}",
        "nms": f"{settings.nms_iou:.2f}",
    }
    return address if HIDE_CHOICES[hide] is None else {**address, "faces": hide}
