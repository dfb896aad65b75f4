"""Anchor boxes of the pyramid, and the decoding of offsets from them (SSD, arXiv 1512.02325)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from featherface.config import ANCHOR_SIZES, STRIDES, VARIANCES

__all__ = ["anchors", "decode_boxes", "decode_landmarks"]

_CENTRE_VARIANCE, _SIZE_VARIANCE = VARIANCES


@lru_cache(maxsize=16)  # a session uses few input sizes; the largest entry is 3 MB
def anchors(height: int, width: int) -> npt.NDArray[np.float32]:
    """Return the anchors of a network input of `height` x `width` pixels, in the order of its outputs.

    Read-only (A, 4) float32: centre x, centre y, width, height as fractions of the input, not clipped.
    """
    levels = [
        _level(height, width, stride, sizes) for stride, sizes in zip(STRIDES, ANCHOR_SIZES, strict=True)
    ]
    joined = np.concatenate(levels).astype(np.float32)
    joined.setflags(write=False)
    return joined


def _level(height: int, width: int, stride: int, sizes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    rows, columns = -(-height // stride), -(-width // stride)
    centre_y, centre_x, size = np.meshgrid(
        (np.arange(rows) + 0.5) * stride / height,
        (np.arange(columns) + 0.5) * stride / width,
        np.asarray(sizes, np.float64),
        indexing="ij",
    )
    return np.stack((centre_x, centre_y, size / width, size / height), axis=-1).reshape(-1, 4)


def decode_boxes(loc: npt.NDArray[np.float32], anchors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Decode offsets `loc` (N, 4) from `anchors` (N, 4) into boxes (N, 4): x1, y1, x2, y2 as fractions."""
    centres = anchors[:, :2] + loc[:, :2] * _CENTRE_VARIANCE * anchors[:, 2:]
    halves = anchors[:, 2:] * np.exp(loc[:, 2:] * _SIZE_VARIANCE) / 2
    return np.concatenate((centres - halves, centres + halves), axis=1)


def decode_landmarks(
    landm: npt.NDArray[np.float32], anchors: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Decode offsets `landm` (N, 10) from `anchors` (N, 4) into points (N, 5, 2): x, y as fractions."""
    points = landm.reshape(-1, 5, 2)
    landmarks: npt.NDArray[np.float32] = (
        anchors[:, None, :2] + points * _CENTRE_VARIANCE * anchors[:, None, 2:]
    )
    return landmarks
