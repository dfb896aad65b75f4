"""Windows, mirrors, rotations, grids, composites and crops move labels with the pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from featherface.evaluation.manifest import ManifestError, read_manifest
from featherface.training.composites import Composites, CompositeSettings
from featherface.training.crops import SquareCrops
from featherface.training.image_store import ImageStore
from featherface.training.samples import Sample, flipped, grid, rotated, turned, window


def bright_box(left: int = 20, top: int = 30) -> Sample:
    """A black image with a bright box that its label covers exactly, and a landmark at its corner."""
    pixels = np.zeros((100, 120, 3), np.uint8)
    pixels[top : top + 20, left : left + 10] = 255
    boxes = np.float32([[left, top, left + 10, top + 20]])
    points = np.tile(np.float32([left, top]), (1, 5, 1))
    return Sample(pixels, boxes, np.ones(1, np.float32), points, complete=True)


def lit(sample: Sample) -> list[float]:
    """Return the bounding box of the bright pixels: x1 y1 x2 y2."""
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


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turning_moves_the_label_exactly(quarters):
    quarter = turned(bright_box(), quarters)
    assert lit(quarter) == quarter.boxes[0].tolist()
    corners = quarter.boxes[0].reshape(2, 2)
    assert all(quarter.landmarks[0, 0][axis] in corners[:, axis] for axis in range(2))
    again = turned(quarter, 4 - quarters)
    np.testing.assert_array_equal(again.pixels, bright_box().pixels)
    np.testing.assert_array_equal(again.landmarks, bright_box().landmarks)


@pytest.mark.parametrize("degrees", [-30, 10, 90])
def test_rotating_keeps_an_ellipse_in_its_box(degrees):
    pixels = np.zeros((100, 120, 3), np.uint8)
    cv2.ellipse(pixels, (50, 45), (9, 19), 0, 0, 360, (255, 255, 255), -1)
    points = np.tile(np.float32([50.5, 26.5]), (1, 5, 1))  # its highest point
    box = np.float32([[41, 26, 60, 65]])
    tilted = rotated(Sample(pixels, box, np.ones(1, np.float32), points, complete=True), degrees)
    tilted.pixels[tilted.pixels == 114] = 0
    np.testing.assert_allclose(tilted.boxes[0], lit(tilted), atol=1.5)
    x, y = tilted.landmarks[0, 0].astype(int)
    assert tilted.pixels[y - 2 : y + 3, x - 2 : x + 3].max() > 100


def test_rotating_drops_a_face_that_leaves_the_image():
    assert len(rotated(bright_box(left=0, top=0), 30).boxes) == 0


def test_grid_shifts_each_tile():
    tile = window(bright_box(), 0, 0, 100, 50)
    whole = grid([tile] * 4, columns=2)
    assert whole.pixels.shape == (100, 100, 3)
    np.testing.assert_allclose(whole.boxes[3] - whole.boxes[0], [50, 50, 50, 50])


def test_composites_repeat_themselves_and_label_what_is_bright(manifest):
    images = ImageStore(read_manifest(manifest), cache_bytes=2**20)
    recipe = CompositeSettings({"scenes": 1.0}, {"portraits": 1.0}, seed=5, most_scenes=2, most_portraits=3)
    composites = Composites(images, recipe, 96, length=100)
    faces = 0
    for index in range(20):
        sample, again = composites[index], composites[index]
        np.testing.assert_array_equal(sample.pixels, again.pixels)
        assert sample.pixels.shape == (96, 96, 3)
        assert ((sample.boxes >= 0) & (sample.boxes <= 96)).all()
        faces += len(sample.boxes)
    assert faces > 20


def test_a_source_that_is_not_there_is_named(manifest):
    images = ImageStore(read_manifest(manifest), cache_bytes=0)
    with pytest.raises(ManifestError, match="'crowds'"):
        Composites(images, CompositeSettings({"crowds": 1.0}, {"portraits": 1.0}), 96, length=1)


def test_close_ups_fill_their_tile_and_backgrounds_have_no_face(manifest):
    images = ImageStore(read_manifest(manifest), cache_bytes=2**20, complete=["portraits"])
    settings = CompositeSettings(
        {"scenes": 1.0},
        {"portraits": 1.0},
        close_ups={"scenes": 1.0},
        backgrounds={"blank": 1.0},
        close_up_share=0.5,
        background_share=0.5,
        most_close_ups=1,
        turned_share=0.3,
        rotated_share=0.3,
    )
    composites = Composites(images, settings, 96, length=100)
    heights = [sample.boxes[:, 3] - sample.boxes[:, 1] for sample in map(composites.__getitem__, range(20))]
    close_ups = [height for height in heights if len(height)]
    assert 4 < len(close_ups) < 16
    assert all(height.max() > 0.5 * 96 for height in close_ups)


def test_square_crops_hold_a_face_and_visit_every_image(manifest):
    images = ImageStore(read_manifest(manifest, "scenes"), cache_bytes=2**20)
    crops = SquareCrops(images, 64, seed=1, length=100)
    assert all(len(crops[index].boxes) for index in range(8))
