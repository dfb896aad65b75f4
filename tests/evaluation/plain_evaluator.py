"""The official WIDER FACE evaluation as plain loops, step by step as in `eval_tools`: slow and clear."""

from __future__ import annotations

import numpy as np

THRESHOLDS = 1000


def evaluate_plainly(images: list[dict], subset: str) -> float:
    """Return the average precision of `subset`; an image has faces, boxes, scores and 0 or 1 per face."""
    every = np.concatenate([image["scores"] for image in images])
    low, span = every.min(), every.max() - every.min()
    totals, faces = np.zeros((THRESHOLDS, 2)), 0
    for image in images:
        counted = np.array(image[subset])
        faces += counted.sum()
        order = np.argsort(-np.array(image["scores"]), kind="stable")
        boxes = np.array(image["boxes"], np.float64).reshape(-1, 4)[order]
        scores = (np.array(image["scores"])[order] - low) / span
        found, proposed = _matched(boxes, np.array(image["faces"], np.float64).reshape(-1, 4), counted)
        for step in range(THRESHOLDS):
            taken = np.flatnonzero(scores >= 1 - (step + 1) / THRESHOLDS)
            if len(taken):
                totals[step] += proposed[: taken[-1] + 1].sum(), found[taken[-1]]
    precision, recall = totals[:, 1] / np.maximum(totals[:, 0], 1), totals[:, 1] / faces
    return _area(np.concatenate(([0], recall, [1])), np.concatenate(([0], precision, [0])))


def _matched(boxes: np.ndarray, faces: np.ndarray, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each box how many faces are found so far, and whether it counts as a proposal."""
    state = np.zeros(len(faces))
    found, proposed = np.zeros(len(boxes)), np.ones(len(boxes))
    for number, box in enumerate(boxes):
        overlap = _overlaps(box, faces)
        best = overlap.argmax()
        if overlap[best] >= 0.5:
            if not counted[best]:
                state[best], proposed[number] = -1, 0
            elif state[best] == 0:
                state[best] = 1
        found[number] = (state == 1).sum()
    return found, proposed


def _overlaps(box: np.ndarray, faces: np.ndarray) -> np.ndarray:
    width = np.minimum(box[2], faces[:, 2]) - np.maximum(box[0], faces[:, 0]) + 1
    height = np.minimum(box[3], faces[:, 3]) - np.maximum(box[1], faces[:, 1]) + 1
    shared = np.clip(width, 0, None) * np.clip(height, 0, None)
    areas = (faces[:, 2] - faces[:, 0] + 1) * (faces[:, 3] - faces[:, 1] + 1)
    return shared / (areas + (box[2] - box[0] + 1) * (box[3] - box[1] + 1) - shared)


def _area(recall: np.ndarray, precision: np.ndarray) -> float:
    for index in range(len(precision) - 1, 0, -1):
        precision[index - 1] = max(precision[index - 1], precision[index])
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    return float(((recall[steps + 1] - recall[steps]) * precision[steps + 1]).sum())
