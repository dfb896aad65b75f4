"""Box geometry as pure functions. Boxes are (N, 4) float arrays of x1, y1, x2, y2 in pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "box_areas",
    "clip_boxes",
    "intersection_areas",
    "iou_matrix",
    "mapped_boxes",
    "mapped_points",
    "mapping_of_edges",
]


Floats = npt.NDArray[np.floating]  # float32 or float64, kept as it comes


def box_areas(boxes: Floats) -> Floats:
    """Return the (N,) areas in square pixels; 0 for boxes whose corners are swapped."""
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sizes[:, 0] * sizes[:, 1]


def intersection_areas(first: Floats, second: Floats) -> Floats:
    """Return the (N, M) areas in square pixels that each of N boxes shares with each of M boxes."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sizes = np.maximum(bottom_right - top_left, 0)
    areas: Floats = sizes[:, :, 0] * sizes[:, :, 1]
    return areas


def iou_matrix(first: Floats, second: Floats) -> Floats:
    """Return the (N, M) intersection over union, 0..1, of each of N boxes with each of M boxes.

    Coordinates are continuous (width = x2 - x1). A box without area overlaps nothing.
    """
    shared = intersection_areas(first, second)
    union = box_areas(first)[:, None] + box_areas(second)[None, :] - shared
    overlaps: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def clip_boxes(boxes: Floats, width: int, height: int) -> Floats:
    """Return `boxes` cut at the edges of an image of `width` x `height` pixels."""
    limits = np.asarray((width, height, width, height), boxes.dtype)
    return np.minimum(np.maximum(boxes, 0), limits)


def mapping_of_edges(pixel_mapping: Floats) -> Floats:
    """Return the (2, 3) affine mapping of coordinates that moves pixels as `pixel_mapping` does.

    OpenCV's matrices map pixel indices, whole numbers at the centres of pixels; boxes and landmarks use
    coordinates in which pixel 0 spans 0 to 1.
    """
    mapping = pixel_mapping.copy()
    mapping[:, 2] += 0.5 - pixel_mapping[:, :2].sum(axis=1) / 2
    return mapping


def mapped_points(points: Floats, mapping: Floats) -> Floats:
    """Return `points` (..., 2), x and y, after the affine `mapping` (2, 3)."""
    return points @ mapping[:, :2].T + mapping[:, 2]


def mapped_boxes(boxes: Floats, mapping: Floats) -> Floats:
    """Return the boxes around the mapped ellipses that fill `boxes`; `mapping` is (2, 3).

    For a rotated face that is a better fit than the box around its rotated corners.
    """
    centres = mapped_points((boxes[:, :2] + boxes[:, 2:]) / 2, mapping)
    halves = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (mapping[:, :2] ** 2).T)
    return np.hstack((centres - halves, centres + halves))
