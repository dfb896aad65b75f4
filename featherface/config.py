"""Constants that the whole project shares, each with the reason beside it."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "ANCHOR_SIZES",
    "CANDIDATE_FLOOR",
    "DEFAULT_CONFIDENCE",
    "DEFAULT_NMS_IOU",
    "DEFAULT_SIDE",
    "LANDMARKS",
    "MIN_SIDE",
    "PIXEL_MEAN_BGR",
    "STRIDES",
    "VARIANCES",
    "WEIGHTS_DIR",
]

WEIGHTS_DIR = Path(__file__).resolve().parent.parent / "weights"

PIXEL_MEAN_BGR = (
    104.0,
    117.0,
    123.0,
)  # subtracted from BGR pixels; the ImageNet mean, as both networks were trained
STRIDES = (8, 16, 32)  # pixels per cell of P3, P4, P5
ANCHOR_SIZES = ((16, 32), (64, 128), (256, 512))  # pixels, per level, small anchor first inside a cell
VARIANCES = (0.1, 0.2)  # SSD's scaling of centre and size offsets; part of the trained weights' meaning
MIN_SIDE = 32  # pixels; below it P5 has no cell
LANDMARKS = (
    "left eye",
    "right eye",
    "nose",
    "left mouth corner",
    "right mouth corner",
)  # left and right of the picture

CANDIDATE_FLOOR = 0.02  # the lowest score kept as a raw candidate: the published evaluation's threshold
DEFAULT_CONFIDENCE = 0.5  # few false alarms on everyday photos; evaluation uses CANDIDATE_FLOOR
DEFAULT_NMS_IOU = 0.4  # as published
DEFAULT_SIDE = 640  # pixels; the size at which the study compares
