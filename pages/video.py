"""Video: a video file through both models, with a timeline of where they agree and differ."""

from __future__ import annotations

import streamlit as st

from featherface.config import DEFAULT_CONFIDENCE, DEFAULT_NMS_IOU, DEFAULT_SIDE, NMS_IOU_RANGE, SIDE_RANGE
from featherface.dashboard.components.model_pair import choose_model_pair
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.video_panel import (
    LOWEST_CONFIDENCE,
    choose_video,
    run_analysis,
    show_results,
)
from featherface.detection.settings import DetectionSettings

show_title("Compare on a video")
st.caption(
    "Runs both models on a video and shows where they agree over time. The video is never written to disk."
)
models = choose_model_pair()
confidence_column, nms_column, size_column = st.columns(3, gap="medium")
confidence = confidence_column.slider(
    "Confidence",
    LOWEST_CONFIDENCE,
    0.99,
    DEFAULT_CONFIDENCE,
    step=0.01,
    key="video_conf",
    help="Keep faces with a score above this threshold. Updates the results immediately.",
    bind="query-params",
)
nms_iou = nms_column.slider(
    "NMS IoU",
    *NMS_IOU_RANGE,
    DEFAULT_NMS_IOU,
    step=0.05,
    key="video_nms",
    help="Non-maximum suppression: of two boxes that overlap more than this, keep the higher-scoring one. "
    "Applies to the next analysis.",
    bind="query-params",
)
input_size = size_column.slider(
    "Input size: longer side (px)",
    *SIDE_RANGE,
    DEFAULT_SIDE,
    step=32,
    key="video_side",
    help="Smaller is faster; larger finds smaller faces. Applies to the next analysis.",
    bind="query-params",
)
video = choose_video()
if video is not None:
    job = run_analysis(video, models, DetectionSettings(LOWEST_CONFIDENCE, nms_iou, side=input_size))
    if job is not None and job.state in ("stopped", "done"):
        show_results(video, job, models, confidence)
