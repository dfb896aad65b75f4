"""FeatherFace Compare: the dashboard's frame. Run with `make run`, or `streamlit run app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from featherface.dashboard.server.memory_pools import settle_memory, tidy_once
from featherface.dashboard.server.sessions import attend
from featherface.dashboard.server.streamlit_internals import ask_nobody_outside, keep_uploads_off_disk
from featherface.dashboard.server.threads import settle_turns

_ICON = Path(__file__).parent / "assets" / "icon.png"

st.set_page_config(page_title="FeatherFace Compare", page_icon=str(_ICON), layout="wide")

settle_memory()
settle_turns()
keep_uploads_off_disk()
ask_nobody_outside()
attend()
page = st.navigation(
    [
        st.Page(
            "pages/overview.py",
            title="Overview",
            icon=":material/compare:",
            help="What V2 gains and loses against V1, how sure that is, and which claims hold.",
            default=True,
        ),
        st.Page(
            "pages/detection.py",
            title="Detection",
            icon=":material/frame_person:",
            help="Both detectors on your own photos, side by side.",
        ),
        st.Page(
            "pages/architecture.py",
            title="Architecture",
            icon=":material/account_tree:",
            help="What both networks are made of: parameters, layers, diagrams, what a cell sees.",
        ),
        st.Page(
            "pages/flops.py",
            title="FLOPs",
            icon=":material/calculate:",
            help="What a picture costs at any size, by group and layer, and how counters differ.",
        ),
        st.Page(
            "pages/speed.py",
            title="Speed",
            icon=":material/speed:",
            help="How long both networks take on this machine, measured when you ask, and how sure that is.",
        ),
        st.Page(
            "pages/accuracy.py",
            title="Accuracy",
            icon=":material/target:",
            help="Average precision of both models and their peers, on your pictures too; training.",
        ),
    ],
    position="top",
)
page.run()
tidy_once(page.title)
