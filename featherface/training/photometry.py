"""Photometric augmentation: light, colour, sharpness, noise and compression."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["distorted"]


def distorted(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (H, W, 3) uint8 BGR `pixels` as another camera in another light might have seen them."""
    image = pixels.astype(np.float32)
    if rng.random() < 0.7:  # contrast and brightness
        image = (image - 128) * rng.uniform(0.5, 1.5) + 128 + rng.uniform(-40, 40)
    if rng.random() < 0.3:  # gamma: deep shadow or glare
        image = 255 * (np.clip(image, 0, 255) / 255) ** np.float32(np.exp(rng.uniform(-0.7, 0.7)))
    if rng.random() < 0.5:  # colour of the light
        image = image * rng.uniform(0.75, 1.25, 3).astype(np.float32)
    if rng.random() < 0.5:  # saturation, down to grey
        grey = image @ np.float32([0.114, 0.587, 0.299])
        image = grey[..., None] + (image - grey[..., None]) * np.float32(
            rng.choice([0, rng.uniform(0.3, 1.7)], p=[0.25, 0.75])
        )
    if rng.random() < 0.2:  # out of focus
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.2:  # sensor noise
        image = image + rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 12))
    result = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:  # compression
        quality = int(rng.integers(25, 90))
        result = cv2.imdecode(
            cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
        )
    return result
