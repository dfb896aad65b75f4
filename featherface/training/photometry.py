"""Photometric augmentation: exposure, colour, sharpness, noise and compression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from featherface.training.samples import ImageArray

__all__ = ["distorted"]

_GREY_WEIGHTS = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green and red in luminance


def distorted(pixels: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Return (H, W, 3) uint8 BGR `pixels` as another camera in other light might have recorded them."""
    image: NDArray[Any] = pixels.astype(np.float32)
    if rng.random() < 0.7:  # contrast and brightness
        image = (image - 128) * rng.uniform(0.5, 1.5) + 128 + rng.uniform(-40, 40)
    if rng.random() < 0.3:  # gamma: underexposed or overexposed
        image = 255 * (np.clip(image, 0, 255) / 255) ** np.float32(np.exp(rng.uniform(-0.7, 0.7)))
    if rng.random() < 0.5:  # white balance
        image = image * rng.uniform(0.75, 1.25, 3).astype(np.float32)
    if rng.random() < 0.5:  # saturation; 0 is greyscale
        grey = image @ _GREY_WEIGHTS
        saturation = np.float32(rng.choice([0, rng.uniform(0.3, 1.7)], p=[0.25, 0.75]))
        image = grey[..., None] + (image - grey[..., None]) * saturation
    if rng.random() < 0.2:  # defocus
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.2:  # sensor noise
        image = image + rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 12))
    result: ImageArray = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:  # compression
        quality = int(rng.integers(25, 90))
        encoded = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        result = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return result
