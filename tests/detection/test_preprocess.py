from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featherface.config import MAX_INPUT_PIXELS, MIN_INPUT_SIZE, PIXEL_MEAN_BGR
from featherface.detection.images import decode_photo
from featherface.detection.preprocess import Resize, prepare


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_study_is_the_code_of_the_notebook() -> None:
    rgb = noise(90, 130)
    expected = cv2.resize(rgb[:, :, ::-1].copy(), (160, 160))
    prepared = prepare(decode_photo(rgb), Resize.STUDY, 160)
    np.testing.assert_array_equal(prepared.image[:, :, ::-1], expected)  # the engine takes the mean off
    assert prepared.extent == (130, 90)


@pytest.mark.parametrize(
    ("height", "width", "resize", "size", "extent"),
    [
        (300, 400, Resize.FIT, (480, 640), (400, 300)),  # small photos grow: small faces are found so
        (3000, 1000, Resize.FIT, (640, 213), (1000, 3000)),
        (90, 130, Resize.ORIGINAL, (90, 130), (130, 90)),
        (1, 1, Resize.FIT, (640, 640), (1, 1)),
        (1, 1, Resize.ORIGINAL, (32, 32), (32, 32)),  # padded: the input covers 32 x 32 photo pixels
        (1, 30_000, Resize.FIT, (32, 640), (30_000, 32)),  # one row of 640 pixels, the rest is padding
        (30_000, 1, Resize.STUDY, (640, 640), (1, 30_000)),
    ],
)
def test_input_size_and_extent(
    height: int, width: int, resize: Resize, size: tuple[int, int], extent: tuple[float, float]
) -> None:
    prepared = prepare(decode_photo(np.zeros((height, width, 3), np.uint8)), resize, 640)
    assert prepared.size == size
    assert prepared.extent == pytest.approx(extent)


def test_original_size_is_capped() -> None:
    height, width = prepare(decode_photo(np.zeros((3000, 4000), np.uint8)), Resize.ORIGINAL).size
    assert height * width == pytest.approx(MAX_INPUT_PIXELS, rel=0.01)
    assert width / height == pytest.approx(4 / 3, rel=0.01)


def test_padding_has_the_mean_colour() -> None:
    image = prepare(decode_photo(noise(20, 50)), Resize.ORIGINAL).image
    assert image.shape == (32, 50, 3)
    assert (image[20:, :, ::-1] == PIXEL_MEAN_BGR).all()


def test_a_large_photo_is_averaged_not_sampled() -> None:
    checkered = np.indices((1280, 1280)).sum(axis=0) % 2 * np.uint8(255)
    image = prepare(decode_photo(checkered.astype(np.uint8)), Resize.FIT, 128).image
    assert np.abs(image - 127.5).max() <= 1


@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from(Resize), st.integers(128, 300))
@settings(max_examples=60)
def test_every_photo_becomes_an_input_that_covers_it(
    height: int, width: int, resize: Resize, input_size: int
) -> None:
    prepared = prepare(decode_photo(np.zeros((height, width), np.uint8)), resize, input_size)
    assert min(prepared.size) >= MIN_INPUT_SIZE
    assert prepared.extent[0] >= width - 1e-6
    assert prepared.extent[1] >= height - 1e-6
