"""Labelled pictures as arrays, and the windows that every augmentation cuts from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

__all__ = ["FLIPPED_POINTS", "Sample", "flipped", "grid", "window"]

FLIPPED_POINTS = (1, 0, 2, 4, 3)  # a mirrored picture swaps its left and right eye, and the mouth corners


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture for training.

    pixels (H, W, 3) uint8 BGR; boxes (N, 4) float32 x1 y1 x2 y2 in pixels; landmarks (N, 5, 2) float32 in
    pixels, NaN where a face has none; `complete` says that every face is labelled, so that what no box covers
    is background for certain.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    landmarks: np.ndarray
    complete: bool

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.boxes), 4) or self.landmarks.shape != (len(self.boxes), 5, 2):
            raise ValueError(
                f"boxes {self.boxes.shape} and landmarks {self.landmarks.shape} do not belong together"
            )


def window(sample: Sample, left: float, top: float, side: float, size: int) -> Sample:
    """Cut the square of `side` source pixels at (`left`, `top`) and resize it to `size` x `size`.

    Parts outside the picture are grey. A face stays when its centre lies inside; its box is clipped.
    """
    height, width = sample.pixels.shape[:2]
    left, top = int(np.floor(left)), int(np.floor(top))
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(int(np.ceil(left + side)), width), min(int(np.ceil(top + side)), height)
    scale = size / side
    canvas = np.full((size, size, 3), 114, np.uint8)
    cut = sample.pixels[y1:y2, x1:x2]
    offset_x, offset_y = round((x1 - left) * scale), round((y1 - top) * scale)
    wide = min(max(round((x2 - x1) * scale), 1), size - offset_x)
    high = min(max(round((y2 - y1) * scale), 1), size - offset_y)
    if cut.size and wide > 0 and high > 0:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas[offset_y : offset_y + high, offset_x : offset_x + wide] = cv2.resize(
            cut, (wide, high), interpolation=method
        )
    boxes = (sample.boxes - np.float32([left, top, left, top])) * np.float32(scale)
    landmarks = (sample.landmarks - np.float32([left, top])) * np.float32(scale)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres < size)).all(axis=1)
    return replace(
        sample,
        pixels=canvas,
        boxes=np.clip(boxes[inside], 0, size),
        landmarks=landmarks[inside],
    )


def flipped(sample: Sample) -> Sample:
    """Mirror left and right, the names of the landmarks with them."""
    width = sample.pixels.shape[1]
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = width - sample.boxes[:, [2, 0]]
    landmarks = sample.landmarks[:, FLIPPED_POINTS].copy()
    landmarks[..., 0] = width - landmarks[..., 0]
    return replace(
        sample, pixels=np.ascontiguousarray(sample.pixels[:, ::-1]), boxes=boxes, landmarks=landmarks
    )


def grid(tiles: list[Sample], columns: int) -> Sample:
    """Lay square tiles of one size out row by row, `columns` a row."""
    side = tiles[0].pixels.shape[0]
    rows = len(tiles) // columns
    canvas = np.empty((rows * side, columns * side, 3), np.uint8)
    boxes, landmarks = [], []
    for index, tile in enumerate(tiles):
        top, left = divmod(index, columns)
        shift = np.float32([left * side, top * side])
        canvas[top * side : (top + 1) * side, left * side : (left + 1) * side] = tile.pixels
        boxes.append(tile.boxes + np.tile(shift, 2))
        landmarks.append(tile.landmarks + shift)
    return Sample(
        canvas,
        np.concatenate(boxes).astype(np.float32),
        np.concatenate(landmarks).astype(np.float32),
        complete=all(tile.complete for tile in tiles),
    )
