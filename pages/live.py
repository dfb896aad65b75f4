"""Live: this browser's camera, both models on the same frames."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_NMS_IOU,
    NMS_IOU_RANGE,
    SIDE_RANGE,
)
from featherface.dashboard.components.controls import HIDE_CHOICES
from featherface.dashboard.components.frame_handover import open_on_detection_page
from featherface.dashboard.components.live_view import show_live_view
from featherface.dashboard.components.model_pair import choose_model_pair
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.widgets import required_choice
from featherface.detection.settings import DetectionSettings

LIVE_INPUT_SIZE = 640

show_title("Compare on live video")
st.caption(
    "Runs both models on the same frames of your camera. Frames go only to this server, are analysed in "
    "memory and are not kept."
)
models = choose_model_pair()
confidence_column, nms_column, size_column, hide_column = st.columns(4, gap="medium")
confidence = confidence_column.slider(
    "Confidence",
    *CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    step=0.01,
    key="live_conf",
    help="Keep faces with a score above this threshold.",
    bind="query-params",
)
nms_iou = nms_column.slider(
    "NMS IoU",
    *NMS_IOU_RANGE,
    DEFAULT_NMS_IOU,
    step=0.05,
    key="live_nms",
    help="Non-maximum suppression: of two boxes that overlap more than this, keep the higher-scoring one.",
    bind="query-params",
)
input_size = size_column.slider(
    "Input size: longer side (px)",
    *SIDE_RANGE,
    LIVE_INPUT_SIZE,
    step=32,
    key="live_side",
    help="Smaller is faster; larger finds smaller faces.",
    bind="query-params",
)
with hide_column:
    hide = required_choice(
        "Hide faces",
        list(HIDE_CHOICES),
        "Off",
        "live_faces",
        help="Hides every face that a model found; a face that both models miss stays visible. The view then "
        "shows the analysed frames, at their rate.",
    )
frozen = show_live_view(models, DetectionSettings(confidence, nms_iou, side=input_size), HIDE_CHOICES[hide])
if frozen is not None:
    open_on_detection_page(f"Camera {datetime.now():%H:%M:%S}.jpg", frozen)
