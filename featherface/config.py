"""Constants that the whole project shares, each with the reason beside it."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "ANCHOR_SIZES",
    "CANDIDATE_FLOOR",
    "CONFIDENCE_RANGE",
    "DEFAULT_CONFIDENCE",
    "DEFAULT_NMS_IOU",
    "DEFAULT_SIDE",
    "LANDMARKS",
    "MATCH_IOU",
    "MAX_BATCH_PIXELS",
    "MAX_BYTES",
    "MAX_CANDIDATES",
    "MAX_DIMENSION",
    "MAX_INPUT_PIXELS",
    "MAX_PIXELS",
    "MIN_SIDE",
    "NMS_IOU_RANGE",
    "PIXEL_MEAN_BGR",
    "SIDE_RANGE",
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

MAX_CANDIDATES = 5_000  # before NMS, as the published evaluation; untrained weights would keep every anchor
CONFIDENCE_RANGE = (CANDIDATE_FLOOR, 0.99)
NMS_IOU_RANGE = (0.1, 0.9)  # below 0.1 neighbours in a crowd vanish, above 0.9 nothing is suppressed
SIDE_RANGE = (128, 1_920)  # pixels; a face of a group photo is lost below, V1 takes seconds above
MATCH_IOU = 0.5  # two boxes are one face from here on: the overlap at which WIDER FACE counts a hit

MAX_BYTES = 30 * 2**20  # of one file: a 12-megapixel PNG or a 50-megapixel JPEG fits
MAX_PIXELS = 51_000_000  # of one photo: a 50-megapixel phone's 8192 x 6144; 153 MB as RGB
MAX_DIMENSION = 65_500  # pixels; JPEG's own limit, so that every photo accepted can be saved again
MAX_INPUT_PIXELS = 2_048 * 2_048  # "original size" goes no further: V1 takes 0.5 GB and 2 s here on two cores
MAX_BATCH_PIXELS = MAX_INPUT_PIXELS  # network input of one forward pass, all photos of the batch together
