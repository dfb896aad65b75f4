"""Anchor boxes of the pyramid and the decoding of offsets against them (SSD, arXiv 1512.02325)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from featherface.config import ANCHOR_SIZES, STRIDES, VARIANCES

__all__ = ["anchors", "decode_boxes", "decode_landmarks"]

_CENTRE_VARIANCE, _SIZE_VARIANCE = VARIANCES


@lru_cache(maxsize=16)  # a session sees few sizes; the largest entry is 3 MB
def anchors(height: int, width: int) -> np.ndarray:
    """Return the anchors of a network input of `height` x `width` pixels, in the order of its outputs.

    Read-only (A, 4) float32: centre x, centre y, width, height as fractions of the input, not clipped.
    """
    levels = [
        _level(height, width, stride, sizes) for stride, sizes in zip(STRIDES, ANCHOR_SIZES, strict=True)
    ]
    joined = np.concatenate(levels).astype(np.float32)
    joined.setflags(write=False)
    return joined


def _level(height: int, width: int, stride: int, sizes: tuple[int, ...]) -> np.ndarray:
    rows, columns = -(-height // stride), -(-width // stride)
    centre_y, centre_x, size = np.meshgrid(
        (np.arange(rows) + 0.5) * stride / height,
        (np.arange(columns) + 0.5) * stride / width,
        np.asarray(sizes, np.float64),
        indexing="ij",
    )
    return np.stack((centre_x, centre_y, size / width, size / height), axis=-1).reshape(-1, 4)


def decode_boxes(loc: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Turn offsets `loc` (N, 4) against `anchors` (N, 4) into boxes (N, 4): x1, y1, x2, y2 as fractions."""
    centres = anchors[:, :2] + loc[:, :2] * _CENTRE_VARIANCE * anchors[:, 2:]
    halves = anchors[:, 2:] * np.exp(loc[:, 2:] * _SIZE_VARIANCE) / 2
    return np.concatenate((centres - halves, centres + halves), axis=1)


def decode_landmarks(landm: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Turn offsets `landm` (N, 10) against `anchors` (N, 4) into points (N, 5, 2): x, y as fractions."""
    points = landm.reshape(-1, 5, 2)
    return anchors[:, None, :2] + points * _CENTRE_VARIANCE * anchors[:, None, 2:]
