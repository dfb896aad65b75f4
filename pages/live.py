"""Live: this browser's camera, both models on the same frames."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from featherface.dashboard.components.controls import HIDE_CHOICES
from featherface.dashboard.components.detection_sliders import (
    choose_confidence,
    choose_longer_side,
    choose_nms_iou,
)
from featherface.dashboard.components.detector_files_panel import (
    choose_detector_files,
    show_detectors_popover,
)
from featherface.dashboard.components.frame_handover import open_on_detection_page
from featherface.dashboard.components.live_view import show_live_view
from featherface.dashboard.components.model_pair import choose_detector_pair
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.widgets import required_choice
from featherface.detection.settings import DetectionSettings

show_title("Compare on live video")
st.caption(
    "Runs both models on the same frames of your camera. Frames go only to this server, are analysed in "
    "memory and are not kept."
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    models = choose_detector_pair()
    files = choose_detector_files(models)
    show_detectors_popover()
confidence_column, nms_column, size_column, hide_column = st.columns(4, gap="medium")
with confidence_column:
    confidence = choose_confidence("live_conf")
with nms_column:
    nms_iou = choose_nms_iou("live_nms")
with size_column:
    input_size = choose_longer_side("live_input_size", "Smaller is faster; larger finds smaller faces.")
with hide_column:
    hide = required_choice(
        "Hide faces",
        list(HIDE_CHOICES),
        "Off",
        "live_faces",
        help="Hides every face that a model found; a face that both models miss stays visible. The view then "
        "shows the analysed frames, at their rate.",
    )
settings = DetectionSettings(confidence, nms_iou, input_size=input_size)
frozen = show_live_view(models, settings, HIDE_CHOICES[hide], files)
if frozen is not None:
    open_on_detection_page(f"Camera {datetime.now():%H:%M:%S}.jpg", frozen, models, settings, hide=hide)
