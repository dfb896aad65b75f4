from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from featherface.detection.detections import Detections
from featherface.detection.drawing import annotate, encode_image, hide_faces
from featherface.detection.images import ImageError, Photo, decode_photo

Faces = Callable[..., Detections]
COLOUR, RGB = "#3b82f6", (0x3B, 0x82, 0xF6)


@pytest.fixture
def noise() -> Photo:
    return decode_photo(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8))


def changed(photo: Photo, image: np.ndarray) -> np.ndarray:
    return (photo.pixels != image).any(axis=2)


def test_box_points_and_label_can_be_left_out(noise: Photo, faces: Faces) -> None:
    face = faces((40, 40, 80, 100))
    box = annotate(noise, face, COLOUR, landmarks=False, scores=False)
    assert box[40, 60].tolist() == list(RGB)
    assert not changed(noise, box)[45:95, 45:75].any()
    assert changed(noise, annotate(noise, face, COLOUR, scores=False))[70, 60]
    assert changed(noise, annotate(noise, face, COLOUR, landmarks=False))[25:39, 41:60].mean() > 0.9


def test_the_photo_stays_as_it_was(noise: Photo, faces: Faces) -> None:
    before = noise.pixels.copy()
    drawn = annotate(noise, faces((1, 1, 90, 90)), COLOUR, hide="blur")
    assert drawn.flags.writeable
    np.testing.assert_array_equal(noise.pixels, before)


@pytest.mark.parametrize(
    "box",
    [
        (-50, -60, 400, 500),  # around the whole photo
        (150, 110, 170, 130),  # over the corner
        (-30, -30, -10, -10),  # outside
        (70.4, 50.2, 70.6, 50.9),  # smaller than a pixel
        (-1e9, -1e9, 1e9, 1e9),
    ],
)
@pytest.mark.parametrize("hide", [None, "blur", "pixelate"])
def test_boxes_at_and_beyond_the_edge(noise: Photo, faces: Faces, box: tuple, hide: str | None) -> None:
    assert annotate(noise, faces(box), COLOUR, hide=hide).shape == noise.pixels.shape


def test_a_photo_of_one_pixel(faces: Faces) -> None:
    dot = decode_photo(np.zeros((1, 1), np.uint8))
    assert annotate(dot, faces((0, 0, 1, 1)), COLOUR, hide="blur").shape == (1, 1, 3)


@pytest.mark.parametrize("hide", ["blur", "pixelate"])
def test_hidden_faces_keep_no_detail(noise: Photo, faces: Faces, hide: str) -> None:
    drawn = annotate(noise, faces((40, 40, 80, 100)), COLOUR, landmarks=False, scores=False, hide=hide)
    inside = drawn[42:98, 42:78].astype(int)
    steps = np.abs(np.diff(inside, axis=1))
    assert steps.mean() < np.abs(np.diff(noise.pixels[42:98, 42:78].astype(int), axis=1)).mean() / 10
    assert not changed(noise, drawn)[:30].any()


def test_only_some_are_drawn_but_all_are_hidden(noise: Photo, faces: Faces) -> None:
    pair = faces((10, 40, 50, 90), (100, 40, 140, 90))
    drawn = annotate(noise, pair, COLOUR, scores=False, landmarks=False, hide="pixelate", only=[1])
    assert drawn[40, 120].tolist() == list(RGB)
    assert drawn[40, 30].tolist() != list(RGB)
    assert changed(noise, drawn)[50:80, 20:40].all(axis=1).any()
    nobody = annotate(noise, pair, COLOUR, only=[])
    np.testing.assert_array_equal(nobody, noise.pixels)


@pytest.mark.parametrize(("kind", "tolerance"), [("png", 0), ("jpeg", 12)])
def test_encoded_images_come_back(kind: str, tolerance: int) -> None:
    smooth = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 3, axis=2).repeat(32, axis=0)
    smooth[:, :, 2] = 40  # red and blue would not be mixed up unseen
    image = Image.open(io.BytesIO(encode_image(smooth, kind)))
    assert image.format == kind.upper()
    assert not image.getexif()
    assert np.abs(np.asarray(image).astype(int) - smooth).max() <= tolerance


@pytest.mark.parametrize(
    "draw",
    [
        lambda photo, faces: annotate(photo, faces, COLOUR),
        lambda photo, faces: hide_faces(photo.pixels, faces.boxes, "blur"),
    ],
    ids=["annotate", "hide_faces"],
)
def test_a_lack_of_memory_is_one_sentence(draw: Callable[..., object], faces: Faces) -> None:
    endless = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (2**30, 2**30, 3))  # its copy has 3 exabytes
    with pytest.raises(ImageError, match="needs more memory than is free; scale it down"):
        draw(Photo(endless), faces((0, 0, 9, 9)))
