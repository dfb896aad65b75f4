"""Video: a video file through both models, with a timeline of where they agree and differ."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.detection_sliders import (
    choose_confidence,
    choose_longer_side,
    choose_nms_iou,
)
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
with confidence_column:
    confidence = choose_confidence(
        "video_conf", note="Updates the results immediately.", lowest=LOWEST_CONFIDENCE
    )
with nms_column:
    nms_iou = choose_nms_iou("video_nms", note="Applies to the next analysis.")
with size_column:
    input_size = choose_longer_side(
        "video_input_size", "Smaller is faster; larger finds smaller faces. Applies to the next analysis."
    )
video = choose_video()
if video is not None:
    job = run_analysis(video, models, DetectionSettings(LOWEST_CONFIDENCE, nms_iou, input_size=input_size))
    if job is not None and job.state in ("stopped", "done"):
        show_results(video, job, models, confidence)
