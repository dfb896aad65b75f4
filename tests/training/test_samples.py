"""Windows, mirrors, grids, composites and crops keep faces where they are in the picture."""

from __future__ import annotations

import numpy as np
import pytest

from featherface.evaluation.manifest import read_manifest
from featherface.training.composites import CompositeRecipe, Composites
from featherface.training.crops import SquareCrops
from featherface.training.pictures import Pictures
from featherface.training.samples import Sample, flipped, grid, window


def bright_box(left: int = 20, top: int = 30) -> Sample:
    """A black picture with a bright box that its label covers exactly, and a landmark at its corner."""
    pixels = np.zeros((100, 120, 3), np.uint8)
    pixels[top : top + 20, left : left + 10] = 255
    boxes = np.float32([[left, top, left + 10, top + 20]])
    return Sample(pixels, boxes, np.tile(np.float32([left, top]), (1, 5, 1)), complete=True)


def lit(sample: Sample) -> list[float]:
    """Where the bright pixels are: x1 y1 x2 y2."""
    rows, columns = np.nonzero(sample.pixels[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize(
    ("left", "top", "side", "size"),
    [(0, 0, 100, 100), (10, 20, 50, 100), (-30, -40, 150, 75), (5, 0, 100, 40)],
    ids=["as it is", "enlarged", "reaching outside", "reduced"],
)
def test_window_moves_the_label_with_the_pixels(left, top, side, size):
    cut = window(bright_box(), left, top, side, size)
    assert cut.pixels.shape == (size, size, 3)
    np.testing.assert_allclose(cut.boxes[0], lit(cut), atol=1.0)
    np.testing.assert_allclose(cut.landmarks[0, 0], cut.boxes[0, :2])


def test_window_drops_a_face_whose_centre_is_outside():
    assert len(window(bright_box(), 30, 0, 60, 60).boxes) == 0


def test_mirroring_twice_changes_nothing_and_once_swaps_eyes():
    sample = bright_box()
    sample.landmarks[0, 1] += 3
    mirrored = flipped(sample)
    np.testing.assert_allclose(mirrored.boxes[0], lit(mirrored))
    np.testing.assert_allclose(mirrored.landmarks[0, 0], [120 - 23, 33])
    again = flipped(mirrored)
    np.testing.assert_array_equal(again.pixels, sample.pixels)
    np.testing.assert_allclose(again.landmarks, sample.landmarks)


def test_grid_shifts_each_tile():
    tile = window(bright_box(), 0, 0, 100, 50)
    whole = grid([tile] * 4, columns=2)
    assert whole.pixels.shape == (100, 100, 3)
    np.testing.assert_allclose(whole.boxes[3] - whole.boxes[0], [50, 50, 50, 50])


def test_composites_repeat_themselves_and_label_what_is_bright(manifest):
    pictures = Pictures(read_manifest(manifest), cache_bytes=2**20)
    recipe = CompositeRecipe({"scenes": 1.0}, {"portraits": 1.0}, seed=5, most_scenes=2, most_portraits=3)
    composites = Composites(pictures, recipe, 96, length=100)
    faces = 0
    for index in range(20):
        sample, again = composites[index], composites[index]
        np.testing.assert_array_equal(sample.pixels, again.pixels)
        assert sample.pixels.shape == (96, 96, 3)
        assert ((sample.boxes >= 0) & (sample.boxes <= 96)).all()
        faces += len(sample.boxes)
    assert faces > 20


def test_a_source_that_is_not_there_is_named(manifest):
    pictures = Pictures(read_manifest(manifest), cache_bytes=0)
    with pytest.raises(ValueError, match="'crowds'"):
        Composites(pictures, CompositeRecipe({"crowds": 1.0}, {"portraits": 1.0}), 96, length=1)


def test_square_crops_hold_a_face_and_visit_every_picture(manifest):
    pictures = Pictures(read_manifest(manifest, "scenes"), cache_bytes=2**20)
    crops = SquareCrops(pictures, 64, seed=1, length=100)
    assert all(len(crops[index].boxes) for index in range(8))
