"""FeatherFace Compare: the dashboard's frame. Run with `make run`, or `streamlit run app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_ICON = Path(__file__).parent / "assets" / "icon.png"

st.set_page_config(page_title="FeatherFace Compare", page_icon=str(_ICON), layout="wide")

page = st.navigation(
    [
        st.Page(
            "pages/detection.py",
            title="Detection",
            icon=":material/frame_person:",
            help="Both detectors on your own photos, side by side.",
            default=True,
        ),
    ],
    position="top",
)
page.run()
