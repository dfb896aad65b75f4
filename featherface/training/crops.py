"""Random square crops of whole scenes: how the RetinaFace family, and the study, trains on WIDER FACE."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featherface.training.photometry import distorted
from featherface.training.pictures import Pictures
from featherface.training.samples import Sample, flipped, window

__all__ = ["SquareCrops"]

_SHARES = (0.3, 0.45, 0.6, 0.8, 1.0)  # of the picture's short side, as RetinaFace crops
_TRIES = 50  # to find a crop with a face, before the whole picture is taken


class SquareCrops:
    """Square crops of `size` pixels, each with a face where its picture has one.

    Item `index` depends on the seed and `index` alone; every picture comes once in each epoch.
    """

    def __init__(self, pictures: Pictures, size: int, *, seed: int, length: int) -> None:
        self.pictures, self.size, self.seed, self.length = pictures, size, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Return crop `index`, `size` x `size`."""
        epoch, place = divmod(index, len(self.pictures))
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.pictures))
        rng = np.random.default_rng((self.seed, index, 1))
        crop = self._crop(self.pictures[int(order[place])], rng)
        if rng.random() < 0.5:
            crop = flipped(crop)
        return replace(crop, pixels=distorted(crop.pixels, rng))

    def _crop(self, picture: Sample, rng: np.random.Generator) -> Sample:
        height, width = picture.pixels.shape[:2]
        centres = (picture.boxes[:, :2] + picture.boxes[:, 2:]) / 2
        for _ in range(_TRIES):
            side = int(min(height, width) * rng.choice(_SHARES))
            left, top = rng.integers(width - side + 1), rng.integers(height - side + 1)
            inside = ((centres >= (left, top)) & (centres < (left + side, top + side))).all(axis=1)
            if inside.any() or not len(centres):
                return window(picture, left, top, side, self.size)
        side = max(height, width)
        return window(picture, (width - side) / 2, (height - side) / 2, side, self.size)
