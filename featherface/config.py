"""Constants shared by the whole project, each with its reason, and the folder of the weights."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = [
    "ANCHOR_SIZES",
    "CANDIDATE_FLOOR",
    "CONFIDENCE_RANGE",
    "DEFAULT_CONFIDENCE",
    "DEFAULT_INPUT_SIZE",
    "DEFAULT_NMS_IOU",
    "INPUT_SIZE_RANGE",
    "LANDMARKS",
    "MATCH_IOU",
    "MAX_BATCH_PIXELS",
    "MAX_BYTES",
    "MAX_CANDIDATES",
    "MAX_DIMENSION",
    "MAX_INPUT_PIXELS",
    "MAX_PIXELS",
    "MIN_INPUT_SIZE",
    "NMS_IOU_RANGE",
    "PIXEL_MEAN_BGR",
    "STRIDES",
    "VARIANCES",
    "WEIGHTS_DIR",
    "weights_folder",
]

WEIGHTS_DIR = Path(__file__).resolve().parent.parent / "weights"

PIXEL_MEAN_BGR = (
    104.0,
    117.0,
    123.0,
)  # subtracted from BGR pixels; the ImageNet mean, as both networks were trained
STRIDES = (8, 16, 32)  # pixels per cell of P3, P4, P5
ANCHOR_SIZES = ((16, 32), (64, 128), (256, 512))  # pixels, per level; the small anchor comes first
VARIANCES = (0.1, 0.2)  # SSD's scaling of centre and size offsets; part of the trained weights' meaning
MIN_INPUT_SIZE = 32  # pixels; below it P5 has no cell
LANDMARKS = (
    "left eye",
    "right eye",
    "nose",
    "left mouth corner",
    "right mouth corner",
)  # left and right as seen in the image

CANDIDATE_FLOOR = 0.02  # the lowest score kept as a raw candidate: the published evaluation's threshold
DEFAULT_CONFIDENCE = 0.5  # few false positives on everyday photos; evaluation uses CANDIDATE_FLOOR
DEFAULT_NMS_IOU = 0.4  # as published
DEFAULT_INPUT_SIZE = 640  # pixels; the input size of the study

MAX_CANDIDATES = 5_000  # before NMS, as the published evaluation; untrained weights would keep every anchor
CONFIDENCE_RANGE = (CANDIDATE_FLOOR, 0.99)
NMS_IOU_RANGE = (0.1, 0.9)  # below 0.1 neighbours in a crowd are lost, above 0.9 nothing is suppressed
INPUT_SIZE_RANGE = (128, 1_920)  # pixels; below, faces of group photos are lost; above, V1 takes seconds
MATCH_IOU = 0.5  # from this overlap on two boxes are one face, as in the WIDER FACE evaluation

MAX_BYTES = 30 * 10**6  # of one file: a 12-megapixel PNG or a 50-megapixel JPEG fits
MAX_PIXELS = 51_000_000  # of one photo: 8192 x 6144 from a 50-megapixel phone, 153 MB as RGB
MAX_DIMENSION = 65_500  # pixels per side; JPEG's own limit, so that every accepted photo can be saved
MAX_INPUT_PIXELS = 2_048 * 2_048  # limit of "original size": V1 takes 0.5 GB and 2 s on two cores
MAX_BATCH_PIXELS = MAX_INPUT_PIXELS  # network input of one forward pass, all photos of the batch together


def weights_folder() -> Path:
    """Return the folder of the weights: FEATHERFACE_WEIGHTS in the environment, else the project's own."""
    return Path(os.environ.get("FEATHERFACE_WEIGHTS") or WEIGHTS_DIR)
