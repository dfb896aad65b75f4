"""Opening a frame of a camera or video on the Detection page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from featherface.dashboard.components.controls import HIDE_CHOICES
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.state.photos import select_frame
from featherface.detection.images import ImageError

__all__ = ["DETECTION_PAGE", "open_on_detection_page"]

DETECTION_PAGE = Path(__file__).resolve().parents[3] / "pages" / "detection.py"


def open_on_detection_page(name: str, image: bytes, *, hide: str = "Off") -> None:
    """Add the image file to this session's photos and show it there, or say why it cannot be used.

    hide: a key of HIDE_CHOICES; other than "Off", faces are hidden there too, from the first moment on.
    """
    try:
        select_frame(name, image)
    except ImageError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        # query_params is given in any case: without it Streamlit refuses to leave a page that has settings in
        # the address
        st.switch_page(DETECTION_PAGE, query_params={} if HIDE_CHOICES[hide] is None else {"faces": hide})
