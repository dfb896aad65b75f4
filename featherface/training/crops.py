"""Random square crops of whole scenes, as the RetinaFace family and the study train on WIDER FACE."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featherface.training.image_store import ImageStore
from featherface.training.photometry import distorted
from featherface.training.samples import CERTAIN, Sample, flipped, window

__all__ = ["SquareCrops"]

_SHARES = (0.3, 0.45, 0.6, 0.8, 1.0)  # of the image's shorter side, as RetinaFace crops
_ATTEMPTS = 50  # to find a crop with a face before the whole image is used


class SquareCrops:
    """Square crops of `size` pixels, each with a face if its image has one.

    Item `index` depends only on the seed and `index`; every image appears once per epoch.
    """

    def __init__(self, images: ImageStore, size: int, *, seed: int, length: int) -> None:
        self.images, self.size, self.seed, self.length = images, size, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Return crop `index`, `size` x `size` pixels."""
        epoch, place = divmod(index, len(self.images))
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))
        rng = np.random.default_rng((self.seed, index, 1))
        crop = self._crop(self.images[int(order[place])], rng)
        if rng.random() < 0.5:
            crop = flipped(crop)
        return replace(crop, pixels=distorted(crop.pixels, rng))

    def _crop(self, image: Sample, rng: np.random.Generator) -> Sample:
        height, width = image.pixels.shape[:2]
        faces = image.boxes[image.scores >= CERTAIN]
        centres = (faces[:, :2] + faces[:, 2:]) / 2
        for _ in range(_ATTEMPTS):
            side = int(min(height, width) * rng.choice(_SHARES))
            left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
            inside = ((centres >= (left, top)) & (centres < (left + side, top + side))).all(axis=1)
            if inside.any() or not len(centres):
                return window(image, left, top, side, self.size)
        side = max(height, width)
        return window(image, (width - side) / 2, (height - side) / 2, side, self.size)
