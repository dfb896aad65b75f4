"""Composites: training pictures put together from windows of scenes, portraits and face crops.

A small set of pictures gives many scenes of many small faces: scenes are scaled down and tiled, portraits and
crops become mosaics. Composite `index` of a seed is always the same picture, so that a run resumes exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from featherface.training.photometry import distorted
from featherface.training.pictures import Pictures
from featherface.training.samples import Sample, flipped, grid, window

__all__ = ["CompositeRecipe", "Composites"]


@dataclass(frozen=True)
class CompositeRecipe:
    """What composites are made of: sources with the weight of each."""

    scenes: Mapping[str, float]  # pictures of more than a face: people and their surroundings
    portraits: Mapping[str, float]  # pictures of one face
    seed: int = 0
    scene_share: float = 0.65  # of all composites; the others are mosaics of portraits
    smallest_face: float = 6.0  # pixels of height in the composite; heights are drawn log-uniformly from it
    largest_face: float = 280.0  # to this
    most_scenes: int = 5  # a side of a composite: five scenes of 700 pixels give faces under 10 pixels
    most_portraits: int = 10  # a side of a mosaic: 26-pixel tiles at 256 pixels


class Composites:
    """Square composites of `size` pixels; item `index` depends on the seed and `index` alone."""

    def __init__(self, pictures: Pictures, recipe: CompositeRecipe, size: int, *, length: int) -> None:
        self.pictures, self.recipe, self.size, self.length = pictures, recipe, size, length
        sources = np.array([record.source for record in pictures.records])
        self._scenes = _Draw(sources, recipe.scenes)
        self._portraits = _Draw(sources, recipe.portraits)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Return composite `index`, `size` x `size`."""
        rng = np.random.default_rng((self.recipe.seed, index))
        scene = rng.random() < self.recipe.scene_share
        columns = _log_uniform_count(rng, self.recipe.most_scenes if scene else self.recipe.most_portraits)
        side = -(-self.size // columns)
        cut = self._scene if scene else self._portrait
        composite = grid([cut(rng, side) for _ in range(columns**2)], columns)
        if composite.pixels.shape[0] != self.size:
            composite = window(composite, 0, 0, self.size, self.size)
        if rng.random() < 0.5:
            composite = flipped(composite)
        return replace(composite, pixels=distorted(composite.pixels, rng))

    def _scene(self, rng: np.random.Generator, size: int) -> Sample:
        """A window of a scene around one of its faces, scaled to give that face the height drawn."""
        scene = self.pictures[self._scenes(rng)]
        height, width = scene.pixels.shape[:2]
        recipe = self.recipe
        if len(scene.boxes):
            box = scene.boxes[rng.integers(len(scene.boxes))]
            largest = min(recipe.largest_face, 0.9 * size)
            wanted = np.exp(rng.uniform(np.log(recipe.smallest_face), np.log(largest)))
            side = size * max(float(box[3] - box[1]) / wanted, 0.5)
            middle = (box[:2] + box[2:]) / 2
        else:
            side = size * np.exp(rng.uniform(0, np.log(5)))
            middle = rng.uniform(0, 1, 2) * (width, height)
        side = min(side, height, width)
        left, top = np.clip(middle - side * rng.uniform(0.1, 0.9, 2), 0, (width - side, height - side))
        return window(scene, left, top, side, size)

    def _portrait(self, rng: np.random.Generator, size: int) -> Sample:
        portrait = self.pictures[self._portraits(rng)]
        height, width = portrait.pixels.shape[:2]
        side = max(min(height, width) * rng.uniform(0.6, 1.15), size / 3)  # enlarged three times at most
        left, top = rng.uniform(0, 1, 2) * (width - side, height - side)
        tile = window(portrait, left, top, side, size)
        return flipped(tile) if rng.random() < 0.5 else tile


class _Draw:
    """Draws a picture's number: first a source by its weight, then one of its pictures."""

    def __init__(self, sources: np.ndarray, weights: Mapping[str, float]) -> None:
        self._groups = [np.flatnonzero(sources == source) for source in weights]
        for source, group in zip(weights, self._groups, strict=True):
            if not len(group):
                raise ValueError(
                    f"No training picture has the source {source!r}; there are {sorted(set(sources))}."
                )
        values = np.array(list(weights.values()), np.float64)
        self._shares = values / values.sum()

    def __call__(self, rng: np.random.Generator) -> int:
        return int(rng.choice(self._groups[rng.choice(len(self._groups), p=self._shares)]))


def _log_uniform_count(rng: np.random.Generator, most: int) -> int:
    return int(np.exp(rng.uniform(0, np.log(most + 0.99))))
