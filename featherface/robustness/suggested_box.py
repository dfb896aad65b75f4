"""A box for a face of which a person marked only a point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featherface.detection.boxes import clip_boxes
from featherface.detection.detections import Detections
from featherface.robustness.missed_faces import Spot

__all__ = ["suggested_box"]

_Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the photo

_LIKELY = 0.1  # score from which a candidate's box is better than the size of the neighbours
_NEIGHBOURS = 5  # the nearest faces, whose median size is taken
_ALONE = 0.08, 0.1  # width and height of a face without neighbours, as shares of the photo's longer side


def suggested_box(
    spot: Spot, candidates: Sequence[Detections], neighbours: np.ndarray, size: tuple[int, int]
) -> _Box:
    """Return the box of a face at `spot`, in whole pixels of a photo of `size` (width, height).

    A marked box stays as it is. For a point it is the best candidate there of all models, else a box as large
    as the nearest faces. neighbours: boxes (N, 4) of faces.
    """
    if spot.box is not None:
        return spot.box
    here = [found[spot.there(found)] for found in candidates]
    best = max((found for found in here if len(found)), key=lambda found: found.scores[0], default=None)
    if best is not None and best.scores[0] >= _LIKELY:
        box = best.boxes[0]
    else:
        half = _usual_size(spot, neighbours, size) / 2
        centre = np.array((spot.x1, spot.y1))
        box = np.concatenate((centre - half, centre + half))
    x1, y1, x2, y2 = clip_boxes(np.round(box[None].astype(np.float64)), *size)[0].tolist()
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _usual_size(spot: Spot, neighbours: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return width and height (2,) of the faces around a point."""
    if not len(neighbours):
        return np.array(_ALONE) * max(size)
    centres = (neighbours[:, :2] + neighbours[:, 2:]) / 2
    nearest = np.argsort(np.linalg.norm(centres - (spot.x1, spot.y1), axis=1))[:_NEIGHBOURS]
    median: np.ndarray = np.median(neighbours[nearest, 2:] - neighbours[nearest, :2], axis=0)
    return median
