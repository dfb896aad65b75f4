"""Composites: training images assembled from windows of scenes, portraits, close-ups and backgrounds.

A small collection yields many different images with many small faces: scenes are scaled down and tiled,
portraits and face crops become mosaics. Composite `index` of a seed is always the same image, so a run
resumes exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from featherface.evaluation.manifest import ManifestError, Record
from featherface.training.image_store import ImageStore
from featherface.training.photometry import distorted
from featherface.training.samples import CERTAIN, Sample, flipped, grid, rotated, turned, window

__all__ = ["CompositeSettings", "Composites"]

_LEAST_CLOSE_UP = 80  # pixels of face height in the source; a smaller face would be too blurred at full size
_CLOSE_UP_HEIGHTS = (0.8, 1.5)  # face height as a share of the tile's side
_MOST_DEGREES = 30.0


@dataclass(frozen=True)
class CompositeSettings:
    """How composites are drawn. Each mapping gives sources of the manifest and their weights."""

    scenes: Mapping[str, float]  # images of several people and their surroundings
    portraits: Mapping[str, float]  # images of one face
    close_ups: Mapping[str, float] = field(default_factory=dict)  # images with a face of 80 pixels or more
    backgrounds: Mapping[str, float] = field(default_factory=dict)  # images without faces
    seed: int = 0
    scene_share: float = 0.65  # scenes among the composites of scenes or portraits
    close_up_share: float = 0.0  # of all composites: faces as large as the tile and larger
    background_share: float = 0.0  # of all composites: no face
    rotated_share: float = 0.0  # of all composites: rotated by up to 30 degrees either way
    turned_share: float = 0.0  # of all composites: rotated by 90, 180 or 270 degrees
    smallest_face: float = 6.0  # pixels of height in the composite; heights are log-uniform from this
    largest_face: float = 280.0  # to this
    most_scenes: int = 5  # per side of a composite; 5 scenes of 700 pixels give faces under 10 pixels
    most_portraits: int = 10  # per side of a mosaic
    most_close_ups: int = 4  # per side of a mosaic


class Composites:
    """Square composites of `size` pixels; item `index` depends only on the seed and `index`.

    Raises ManifestError if a source in `settings` has no suitable image.
    """

    def __init__(self, images: ImageStore, settings: CompositeSettings, size: int, *, length: int) -> None:
        self.images, self.settings, self.size, self.length = images, settings, size, length
        sources = np.array([record.source for record in images.records])
        large = np.array([_largest_face(record) >= _LEAST_CLOSE_UP for record in images.records])
        self._scenes = _SourceSampler(sources, settings.scenes)
        self._portraits = _SourceSampler(sources, settings.portraits)
        self._close_ups = _SourceSampler(np.where(large, sources, ""), settings.close_ups)
        self._backgrounds = _SourceSampler(sources, settings.backgrounds)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Return composite `index`, `size` x `size` pixels."""
        rng = np.random.default_rng((self.settings.seed, index))
        make_tile, most = self._kind(rng)
        columns = _log_uniform_count(rng, most)
        side = -(-self.size // columns)
        composite = grid([make_tile(rng, side) for _ in range(columns**2)], columns)
        if composite.pixels.shape[0] != self.size:
            composite = window(composite, 0, 0, self.size, self.size)
        if rng.random() < 0.5:
            composite = flipped(composite)
        if self.settings.turned_share and rng.random() < self.settings.turned_share:
            composite = turned(composite, int(rng.integers(1, 4)))
        if self.settings.rotated_share and rng.random() < self.settings.rotated_share:
            composite = rotated(composite, rng.uniform(-_MOST_DEGREES, _MOST_DEGREES))
        return replace(composite, pixels=distorted(composite.pixels, rng))

    def _kind(self, rng: np.random.Generator) -> tuple[Callable[[np.random.Generator, int], Sample], int]:
        """Draw the kind of a composite: the function that makes a tile, and the most tiles per side."""
        settings = self.settings
        if settings.close_up_share or settings.background_share:
            drawn = rng.random()
            if drawn < settings.close_up_share:
                return self._close_up, settings.most_close_ups
            if drawn < settings.close_up_share + settings.background_share:
                return self._background, settings.most_scenes
        if rng.random() < settings.scene_share:
            return self._scene, settings.most_scenes
        return self._portrait, settings.most_portraits

    def _scene(self, rng: np.random.Generator, size: int) -> Sample:
        """Return a window around one face of a scene, scaled to give that face the height drawn."""
        scene = self.images[self._scenes(rng)]
        height, width = scene.pixels.shape[:2]
        settings = self.settings
        if len(scene.boxes):
            certain = np.flatnonzero(scene.scores >= CERTAIN)
            box = scene.boxes[rng.choice(certain) if len(certain) else rng.integers(len(scene.boxes))]
            largest = min(settings.largest_face, 0.9 * size)
            wanted = np.exp(rng.uniform(np.log(settings.smallest_face), np.log(largest)))
            side = size * max(float(box[3] - box[1]) / wanted, 0.5)
            middle = (box[:2] + box[2:]) / 2
        else:
            side = size * np.exp(rng.uniform(0, np.log(5)))
            middle = rng.uniform(0, 1, 2) * (width, height)
        side = min(side, height, width)
        left, top = np.clip(middle - side * rng.uniform(0.1, 0.9, 2), 0, (width - side, height - side))
        return window(scene, left, top, side, size)

    def _portrait(self, rng: np.random.Generator, size: int) -> Sample:
        portrait = self.images[self._portraits(rng)]
        height, width = portrait.pixels.shape[:2]
        side = max(min(height, width) * rng.uniform(0.6, 1.15), size / 3)  # enlarged at most three times
        left, top = rng.uniform(0, 1, 2) * (width - side, height - side)
        tile = window(portrait, left, top, side, size)
        return flipped(tile) if rng.random() < 0.5 else tile

    def _close_up(self, rng: np.random.Generator, size: int) -> Sample:
        image = self.images[self._close_ups(rng)]
        heights = np.where(image.scores >= CERTAIN, image.boxes[:, 3] - image.boxes[:, 1], 0)
        box = image.boxes[rng.choice(np.flatnonzero(heights >= _LEAST_CLOSE_UP))]
        side = float(box[3] - box[1]) / rng.uniform(*_CLOSE_UP_HEIGHTS)
        middle = (box[:2] + box[2:]) / 2 + side * rng.uniform(-0.15, 0.15, 2)
        left, top = middle - side / 2
        return window(image, left, top, side, size)

    def _background(self, rng: np.random.Generator, size: int) -> Sample:
        image = self.images[self._backgrounds(rng)]
        height, width = image.pixels.shape[:2]
        side = min(height, width) * np.exp(rng.uniform(np.log(0.2), 0))
        left, top = rng.uniform(0, 1, 2) * (width - side, height - side)
        return window(image, left, top, side, size)


class _SourceSampler:
    """Draws an image number: first a source by weight, then one of its images."""

    def __init__(self, sources: NDArray[np.str_], weights: Mapping[str, float]) -> None:
        self._groups = [np.flatnonzero(sources == source) for source in weights]
        for source, group in zip(weights, self._groups, strict=True):
            if not len(group):
                known = ", ".join(sorted(set(sources.tolist()) - {""}))
                raise ManifestError(
                    f"No suitable training image has the source {source!r}; there are {known}."
                )
        values = np.array(list(weights.values()), np.float64)
        self._shares = values / values.sum() if len(values) else values

    def __call__(self, rng: np.random.Generator) -> int:
        return int(rng.choice(self._groups[rng.choice(len(self._groups), p=self._shares)]))


def _largest_face(record: Record) -> float:
    certain = (record.scores >= CERTAIN) & ~record.ignore
    return float(np.max(record.boxes[certain, 3] - record.boxes[certain, 1], initial=0))


def _log_uniform_count(rng: np.random.Generator, most: int) -> int:
    return int(np.exp(rng.uniform(0, np.log(most + 0.99))))
