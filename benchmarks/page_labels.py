"""The labels by which visitors find the controls of the dashboard."""

from __future__ import annotations

__all__ = [
    "ANNOTATED_JPEG",
    "CONFIDENCE",
    "EVALUATE",
    "FACES_CSV",
    "FACES_JSON",
    "HTML_REPORT",
    "INPUT_SIZE",
    "LONGER_SIDE",
    "NMS_IOU",
    "PHOTOS",
    "ROUNDS",
    "RUN_BENCHMARK",
    "ZIP",
]

PHOTOS = "Upload photos"
CONFIDENCE = "Confidence"
NMS_IOU = "NMS IoU"
LONGER_SIDE = "Input size: longer side (px)"
FACES_JSON = "Faces (JSON)"
FACES_CSV = "Faces (CSV)"
ANNOTATED_JPEG = "Annotated photos (JPEG)"
HTML_REPORT = "Report (HTML)"
INPUT_SIZE = "Input size (px, square)"
ROUNDS = "Rounds"
RUN_BENCHMARK = "Run benchmark"
ZIP = "Zip of annotated images"
EVALUATE = "Evaluate"
