"""Photometric augmentation: exposure, colour, sharpness, noise and compression."""

from __future__ import annotations

import cv2
import numpy as np
from cv2.typing import MatLike

from featherface.training.samples import FloatArray, ImageArray

__all__ = ["distorted"]

_GREY_WEIGHTS = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green and red in luminance


def distorted(pixels: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Return (H, W, 3) uint8 BGR `pixels` as another camera in other light might have recorded them."""
    image: MatLike = cv2.LUT(pixels, _tone_curves(rng)[None])
    if rng.random() < 0.5:  # saturation; 0 is greyscale
        saturation = np.float32(rng.choice([0, rng.uniform(0.3, 1.7)], p=[0.25, 0.75]))
        mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * _GREY_WEIGHTS
        image = cv2.transform(image, mix)
    if rng.random() < 0.2:  # defocus
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.2:  # sensor noise
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 12))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:  # compression
        quality = int(rng.integers(25, 90))
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return np.asarray(image, np.uint8)


def _tone_curves(rng: np.random.Generator) -> ImageArray:
    """Draw exposure and white balance: the new level of each level of blue, green and red, (256, 3) uint8."""
    levels: FloatArray = np.repeat(np.arange(256, dtype=np.float32)[:, None], 3, axis=1)
    if rng.random() < 0.7:  # contrast and brightness
        levels = (levels - 128) * np.float32(rng.uniform(0.5, 1.5)) + np.float32(128 + rng.uniform(-40, 40))
    if rng.random() < 0.3:  # gamma: underexposed or overexposed
        exponent = np.float32(np.exp(rng.uniform(-0.7, 0.7)))
        levels = np.float32(255) * (np.clip(levels, 0, 255) / np.float32(255)) ** exponent
    if rng.random() < 0.5:  # white balance
        levels = levels * rng.uniform(0.75, 1.25, 3).astype(np.float32)
    return np.clip(levels.round(), 0, 255).astype(np.uint8)
