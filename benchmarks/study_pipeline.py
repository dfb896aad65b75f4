"""The study's implementation of detection, rebuilt from its notebook (sections 2 and 7).

Only what it does on a CPU: the photo stretched to 640 x 640 by OpenCV, anchors made in Python loops at each
call, the float32 network as it was defined, every anchor decoded, greedy NMS in NumPy. The study's V1 runs
torchvision's kernel for its deformable convolutions, of which there is no build for CPU-only PyTorch: the
plain one of this project (`models.deformable`) stands in for it.
"""

from __future__ import annotations

from itertools import product
from math import ceil

import cv2
import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["detect_faces"]

_SIDE = 640
_MIN_SIZES = ((16, 32), (64, 128), (256, 512))
_STEPS = (8, 16, 32)
_VARIANCE = (0.1, 0.2)


def detect_faces(
    network: nn.Module, image: np.ndarray, confidence: float = 0.02, nms: float = 0.4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes (N, 4), scores (N,) and landmarks (N, 10) of a BGR image (H, W, 3) uint8."""
    height, width, _ = image.shape
    resized = cv2.resize(image, (_SIDE, _SIDE)).astype(np.float32)
    resized -= (104, 117, 123)
    pixels = torch.from_numpy(resized.transpose(2, 0, 1)).unsqueeze(0)
    priors = _priors()
    with torch.no_grad():
        loc, conf, landms = network(pixels)
    boxes = _decode(loc.squeeze(0), priors) * torch.Tensor([width, height, width, height])
    landms = _decode_landmarks(landms.squeeze(0), priors) * torch.Tensor([width, height] * 5)
    boxes, scores, landms = boxes.numpy(), conf.squeeze(0).numpy()[:, 1], landms.numpy()
    likely = np.where(scores > confidence)[0]
    boxes, scores, landms = boxes[likely], scores[likely], landms[likely]
    keep = _nms(np.hstack((boxes, scores[:, np.newaxis])), nms)
    return boxes[keep], scores[keep], landms[keep]


def _priors() -> Tensor:
    anchors: list[float] = []
    for step, sizes in zip(_STEPS, _MIN_SIZES, strict=True):
        cells = ceil(_SIDE / step)
        for i, j in product(range(cells), repeat=2):
            for size in sizes:
                anchors += [(j + 0.5) * step / _SIDE, (i + 0.5) * step / _SIDE, size / _SIDE, size / _SIDE]
    return torch.Tensor(anchors).view(-1, 4)


def _decode(loc: Tensor, priors: Tensor) -> Tensor:
    boxes = torch.cat(
        (
            priors[:, :2] + loc[:, :2] * _VARIANCE[0] * priors[:, 2:],
            priors[:, 2:] * torch.exp(loc[:, 2:] * _VARIANCE[1]),
        ),
        1,
    )
    boxes[:, :2] -= boxes[:, 2:] / 2
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _decode_landmarks(points: Tensor, priors: Tensor) -> Tensor:
    return torch.cat(
        [priors[:, :2] + points[:, 2 * n : 2 * n + 2] * _VARIANCE[0] * priors[:, 2:] for n in range(5)], dim=1
    )


def _nms(faces: np.ndarray, threshold: float) -> list[int]:
    x1, y1, x2, y2, scores = faces.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order = scores.argsort()[::-1]
    keep = []
    while order.size > 0:
        best, others = order[0], order[1:]
        keep.append(int(best))
        widths = np.minimum(x2[best], x2[others]) - np.maximum(x1[best], x1[others]) + 1
        heights = np.minimum(y2[best], y2[others]) - np.maximum(y1[best], y1[others]) + 1
        shared = np.maximum(0.0, widths) * np.maximum(0.0, heights)
        order = others[shared / (areas[best] + areas[others] - shared) <= threshold]
    return keep
