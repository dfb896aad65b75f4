"""Detections made by hand and frames that tell their own number."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from featherface.detection.detections import Detections

CLIPS = Path(__file__).parent / "clips"


def faces(*boxes: tuple[float, float, float, float]) -> Detections:
    """Detections with these boxes, scores falling from 0.9, landmarks in the boxes' centres."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    centres = (array[:, None, :2] + array[:, None, 2:]) / 2
    scores = np.linspace(0.9, 0.6, len(array), dtype=np.float32)
    return Detections(array, scores, np.tile(centres, (1, 5, 1)).astype(np.float32))


def grey_levels(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Frames of one grey each, 8 levels apart, so that a decoded frame tells its own number."""
    return [np.full((height, width, 3), 8 * number + 4, np.uint8) for number in range(count)]


def number_of(pixels: np.ndarray) -> int:
    """The number of a frame of `grey_levels`."""
    return round((float(pixels.mean()) - 4) / 8)
