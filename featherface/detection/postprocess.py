"""From the network's outputs to faces: decoding, confidence, non-maximum suppression."""

from __future__ import annotations

import cv2
import numpy as np

from featherface.config import CANDIDATE_FLOOR, MAX_CANDIDATES
from featherface.detection.anchors import anchors, decode_boxes, decode_landmarks
from featherface.detection.detections import Detections

__all__ = ["decode_candidates", "select"]


def decode_candidates(
    loc: np.ndarray,
    conf: np.ndarray,
    landm: np.ndarray,
    size: tuple[int, int],
    extent: tuple[float, float],
) -> Detections:
    """Return every anchor that scores above CANDIDATE_FLOOR, best first, at most MAX_CANDIDATES, no NMS yet.

    loc (A, 4), conf (A, 2) probabilities, landm (A, 10), all float32, for a network input of `size` (height,
    width) pixels; `extent` (width, height) is that input measured in pixels of the photo. Boxes that are not
    finite (weights gone wild) are left out.
    """
    scores = conf[:, 1]
    likely = np.flatnonzero(scores > CANDIDATE_FLOOR)
    likely = likely[np.argsort(-scores[likely], kind="stable")][:MAX_CANDIDATES]
    chosen = anchors(*size)[likely]
    scale = np.asarray(extent, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = decode_boxes(loc[likely], chosen) * np.tile(scale, 2)
        landmarks = decode_landmarks(landm[likely], chosen) * scale
    candidates = Detections(boxes, scores[likely], landmarks)
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(landmarks).all(axis=(1, 2))
    return candidates if finite.all() else candidates[finite]


def select(candidates: Detections, confidence: float, nms_iou: float, top_k: int | None = None) -> Detections:
    """Return the candidates above `confidence` that survive greedy NMS at `nms_iou`, at most `top_k` of them.

    Greedy NMS judges a box by better ones alone, so a higher confidence gives a prefix of this result.
    """
    count = int(np.searchsorted(-candidates.scores, -np.float32(confidence), side="left"))
    if count == 0:
        return Detections.empty()
    likely = candidates[:count]
    # The study counts pixels inclusively, width = x2 - x1 + 1; OpenCV takes x, y, width, height.
    sizes = likely.boxes[:, 2:] - likely.boxes[:, :2] + 1
    kept = cv2.dnn.NMSBoxes(np.hstack((likely.boxes[:, :2], sizes)), likely.scores, 0.0, nms_iou)
    return likely[np.asarray(kept, np.intp)[:top_k]]
