"""The frame around every page: navigation and page settings. `app.py` has Streamlit run this script."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from featherface.dashboard.components.address_history import keep_choices_in_history
from featherface.dashboard.components.presenter import presenting
from featherface.dashboard.server.memory_pools import exclude_loaded_objects_from_collection
from featherface.dashboard.server.sessions import close_session_when_abandoned
from featherface.dashboard.state.page_visit import note_page

_ROOT = Path(__file__).resolve().parents[2]
_PAGES = _ROOT / "pages"

st.set_page_config(
    page_title="FeatherFace Compare", page_icon=str(_ROOT / "assets" / "icon.png"), layout="wide"
)

close_session_when_abandoned()
page = st.navigation(
    [
        st.Page(
            _PAGES / "overview.py",
            title="Overview",
            icon=":material/compare:",
            help="What the smaller model gains and loses, and how certain that is.",
            default=True,
        ),
        st.Page(
            _PAGES / "detection.py",
            title="Detection",
            icon=":material/frame_person:",
            help="Run both models on your own photos and compare their detections side by side.",
        ),
        st.Page(
            _PAGES / "live.py",
            title="Live",
            icon=":material/videocam:",
            help="Run both models on your camera's live video.",
        ),
        st.Page(
            _PAGES / "video.py",
            title="Video",
            icon=":material/movie:",
            help="Run both models on a video file and see where they agree and differ.",
        ),
        st.Page(
            _PAGES / "architecture.py",
            title="Architecture",
            icon=":material/account_tree:",
            help="Parameters, layers, diagrams, anchors and receptive fields of the models.",
        ),
        st.Page(
            _PAGES / "flops.py",
            title="Compute cost",
            icon=":material/calculate:",
            help="MACs and FLOPs at any input size, per module group and per layer.",
        ),
        st.Page(
            _PAGES / "speed.py",
            title="Latency",
            icon=":material/speed:",
            help="Benchmark all models on this machine: latency, throughput and confidence intervals.",
        ),
        st.Page(
            _PAGES / "deploy.py",
            title="Deploy",
            icon=":material/deployed_code:",
            help="Compare engines and precisions on this machine, and download ONNX and OpenVINO files.",
        ),
        st.Page(
            _PAGES / "accuracy.py",
            title="Accuracy",
            icon=":material/target:",
            help="Average precision on WIDER FACE and on your own images, other detectors, and training.",
        ),
        st.Page(
            _PAGES / "robustness.py",
            title="Robustness",
            icon=":material/blur_on:",
            help="Which model loses faces first under noise, blur, darkness and other corruptions.",
        ),
        st.Page(
            _PAGES / "claims.py",
            title="Claims audit",
            icon=":material/fact_check:",
            help="Every number of the original study, measured again, with a verdict.",
        ),
    ],
    position="hidden" if presenting() else "top",
)
note_page(page.url_path)
page.run()
keep_choices_in_history()
exclude_loaded_objects_from_collection(page.title)
