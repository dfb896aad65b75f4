"""Box arithmetic as pure functions. Boxes are (N, 4) arrays of x1, y1, x2, y2 in pixels."""

from __future__ import annotations

import numpy as np

__all__ = ["clip_boxes", "intersection_areas", "iou_matrix"]


def intersection_areas(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the (N, M) areas, in square pixels, shared by each of N boxes and each of M boxes."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.clip(bottom_right - top_left, 0, None).prod(axis=2)


def iou_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the (N, M) intersection over union, 0..1, of each of N boxes with each of M boxes.

    Pixels are a continuum here (width = x2 - x1). Boxes without area overlap nothing.
    """
    shared = intersection_areas(first, second)
    union = _areas(first)[:, None] + _areas(second)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip_boxes(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the parts of `boxes` inside a picture of `width` x `height` pixels."""
    return np.clip(boxes, 0, np.asarray((width, height, width, height), boxes.dtype))


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
