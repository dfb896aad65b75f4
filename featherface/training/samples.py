"""Labelled images as arrays, and the geometric operations that every augmentation is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from featherface.detection.boxes import mapped_boxes, mapped_points, mapping_of_edges

__all__ = [
    "CERTAIN",
    "FLIPPED_POINTS",
    "FloatArray",
    "ImageArray",
    "Sample",
    "flipped",
    "grid",
    "rotated",
    "turned",
    "window",
]

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]

CERTAIN = 0.5  # least score of a box that is taught as a face
FLIPPED_POINTS = (1, 0, 2, 4, 3)  # a mirrored image swaps left and right eyes and mouth corners
_GREY = 114  # fills what lies outside an image


@dataclass(frozen=True, eq=False)
class Sample:
    """An image with its labelled faces.

    pixels: (H, W, 3) uint8 BGR.
    boxes: (N, 4) float32, x1 y1 x2 y2 in pixels.
    scores: (N,) float32 in 0..1, the certainty that a box is a face; below CERTAIN a box is neither a
        positive nor background.
    landmarks: (N, 5, 2) float32 in pixels, NaN where unknown.
    complete: every face has a box, so anything outside the boxes is background.

    Raises ValueError if the lengths differ.
    """

    pixels: ImageArray
    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray
    complete: bool

    def __post_init__(self) -> None:
        count = len(self.boxes)
        shapes = (self.boxes.shape, self.scores.shape, self.landmarks.shape)
        if shapes != ((count, 4), (count,), (count, 5, 2)):
            raise ValueError("Shapes do not match: boxes {}, scores {}, landmarks {}.".format(*shapes))


def window(sample: Sample, left: float, top: float, side: float, size: int) -> Sample:
    """Crop the square of `side` source pixels at (`left`, `top`) and resize it to `size` x `size`.

    Areas outside the image are grey. A face is kept if its centre lies inside; its box is clipped.
    """
    height, width = sample.pixels.shape[:2]
    left, top = int(np.floor(left)), int(np.floor(top))
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(int(np.ceil(left + side)), width), min(int(np.ceil(top + side)), height)
    scale = size / side
    canvas: ImageArray = np.full((size, size, 3), _GREY, np.uint8)
    crop = sample.pixels[y1:y2, x1:x2]
    offset_x, offset_y = round((x1 - left) * scale), round((y1 - top) * scale)
    wide = min(max(round((x2 - x1) * scale), 1), size - offset_x)
    high = min(max(round((y2 - y1) * scale), 1), size - offset_y)
    if crop.size and wide > 0 and high > 0:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas[offset_y : offset_y + high, offset_x : offset_x + wide] = cv2.resize(
            crop, (wide, high), interpolation=method
        )
    boxes = (sample.boxes - np.array([left, top, left, top], np.float32)) * np.float32(scale)
    landmarks = (sample.landmarks - np.array([left, top], np.float32)) * np.float32(scale)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres < size)).all(axis=1)
    return replace(
        sample,
        pixels=canvas,
        boxes=np.clip(boxes[inside], 0, size),
        scores=sample.scores[inside],
        landmarks=landmarks[inside],
    )


def flipped(sample: Sample) -> Sample:
    """Mirror the image left to right and swap the landmarks accordingly."""
    width = sample.pixels.shape[1]
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = width - sample.boxes[:, [2, 0]]
    landmarks = sample.landmarks[:, FLIPPED_POINTS].copy()
    landmarks[..., 0] = width - landmarks[..., 0]
    return replace(
        sample, pixels=np.ascontiguousarray(sample.pixels[:, ::-1]), boxes=boxes, landmarks=landmarks
    )


def rotated(sample: Sample, degrees: float) -> Sample:
    """Rotate the image anticlockwise about its centre by `degrees`, keeping its size; empty corners are grey.

    Each box becomes the bounding box of the rotated ellipse that fills it, which fits a face better than the
    bounding box of its corners. A face whose centre leaves the image is dropped.
    """
    height, width = sample.pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    pixels = cv2.warpAffine(
        sample.pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(_GREY, _GREY, _GREY)
    )
    mapping = mapping_of_edges(matrix.astype(np.float32))
    boxes = mapped_boxes(sample.boxes, mapping).astype(np.float32)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres < (width, height))).all(axis=1)
    limits = np.array([width, height, width, height], np.float32)
    return replace(
        sample,
        pixels=np.asarray(pixels, np.uint8),
        boxes=np.clip(boxes[inside], 0, limits),
        scores=sample.scores[inside],
        landmarks=mapped_points(sample.landmarks[inside], mapping).astype(np.float32),
    )


def turned(sample: Sample, quarters: int) -> Sample:
    """Rotate the image anticlockwise by `quarters` of 90 degrees, without resampling."""
    for _ in range(quarters % 4):
        width = sample.pixels.shape[1]
        boxes = sample.boxes[:, [1, 0, 3, 2]].copy()
        boxes[:, [1, 3]] = width - sample.boxes[:, [2, 0]]
        landmarks = sample.landmarks[..., ::-1].copy()
        landmarks[..., 1] = width - sample.landmarks[..., 0]
        pixels = np.ascontiguousarray(np.rot90(sample.pixels))
        sample = replace(sample, pixels=pixels, boxes=boxes, landmarks=landmarks)
    return sample


def grid(tiles: Sequence[Sample], columns: int) -> Sample:
    """Join square tiles of one size row by row, `columns` per row."""
    side = tiles[0].pixels.shape[0]
    rows = len(tiles) // columns
    canvas: ImageArray = np.empty((rows * side, columns * side, 3), np.uint8)
    boxes, landmarks = [], []
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        shift = np.array([column * side, row * side], np.float32)
        canvas[row * side : (row + 1) * side, column * side : (column + 1) * side] = tile.pixels
        boxes.append(tile.boxes + np.tile(shift, 2))
        landmarks.append(tile.landmarks + shift)
    return Sample(
        canvas,
        np.concatenate(boxes).astype(np.float32),
        np.concatenate([tile.scores for tile in tiles]),
        np.concatenate(landmarks).astype(np.float32),
        complete=all(tile.complete for tile in tiles),
    )
