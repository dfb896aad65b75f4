"""Laws of every corruption, and the formulas of single ones on images made for them."""

from __future__ import annotations

import numpy as np
import pytest

from featherface.detection.detections import Detections
from featherface.detection.images import ImageError, Photo
from featherface.robustness.corruptions import CORRUPTIONS, SEVERITIES


def flat(level: int, width: int = 80, height: int = 60) -> Photo:
    return Photo(np.full((height, width, 3), level, np.uint8))


def textured(seed: int = 0, width: int = 80, height: int = 60) -> Photo:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return Photo(np.kron(coarse, np.ones((4, 4, 1), np.uint8)))


def one_face() -> Detections:
    landmarks = np.array([[[25, 20], [45, 20], [35, 30], [28, 40], [42, 40]]], np.float32)
    return Detections(np.array([[15, 5, 55, 50]], np.float32), np.array([0.9], np.float32), landmarks)


@pytest.mark.parametrize("key", CORRUPTIONS)
def test_seeded_and_the_clean_photo_stays_as_it_is(key: str) -> None:
    photo = textured()
    before = photo.pixels.copy()
    for severity in SEVERITIES:
        first, second = (CORRUPTIONS[key].apply(photo, one_face(), severity, seed=7) for _ in range(2))
        assert np.array_equal(first.photo.pixels, second.photo.pixels)
        assert first.photo.pixels.dtype == np.uint8
        assert len(first.faces) == 1
    assert np.array_equal(photo.pixels, before)
    clean = CORRUPTIONS[key].apply(photo, one_face(), 0)
    assert clean.photo is photo


@pytest.mark.parametrize("key", [key for key in CORRUPTIONS if key != "rotation"])
def test_severity_grows(key: str) -> None:
    photo = textured(width=640, height=480)
    distances = [
        np.abs(
            CORRUPTIONS[key].apply(photo, one_face(), severity).photo.pixels.astype(int) - photo.pixels
        ).mean()
        for severity in SEVERITIES
    ]
    assert distances[0] > 0
    assert np.diff(distances).min() > 0


def test_gaussian_noise_has_its_deviation() -> None:
    noisy = CORRUPTIONS["gaussian_noise"].apply(flat(128, 400, 300), one_face(), 1).photo.pixels / 255
    assert noisy.std() == pytest.approx(0.08, abs=0.002)


def test_impulse_noise_hits_its_share() -> None:
    noisy = CORRUPTIONS["impulse_noise"].apply(flat(128, 400, 300), one_face(), 5).photo.pixels
    assert (noisy != 128).mean() == pytest.approx(0.27, abs=0.01)
    assert set(np.unique(noisy)) == {0, 128, 255}


def test_contrast_and_brightness_by_hand() -> None:
    half = np.zeros((10, 10, 3), np.uint8)
    half[:5] = 200
    low = CORRUPTIONS["contrast"].apply(Photo(half), one_face(), 3).photo.pixels
    assert low[0, 0, 0] == round(100 + 0.2 * 100)
    assert low[9, 0, 0] == round(100 - 0.2 * 100)
    bright = CORRUPTIONS["brightness"].apply(flat(100), one_face(), 2).photo.pixels
    assert abs(int(bright[0, 0, 0]) - (100 + 0.2 * 255)) <= 1


def test_blur_keeps_flat_photos_and_is_larger_on_larger_photos() -> None:
    for key in ("defocus_blur", "motion_blur", "zoom_blur", "low_resolution"):
        assert (
            np.abs(CORRUPTIONS[key].apply(flat(90), one_face(), 5).photo.pixels.astype(int) - 90).max() <= 1
        )
    dot = np.zeros((1280, 1280, 3), np.uint8)
    dot[640, 640] = 255
    spread = CORRUPTIONS["defocus_blur"].apply(Photo(dot), one_face(), 1).photo.pixels
    large = np.zeros((1280, 1280, 3), np.uint8)
    large[600:680, 600:680] = 255
    edge = CORRUPTIONS["defocus_blur"].apply(Photo(large), one_face(), 1).photo.pixels[640, :, 0]
    assert spread.max() <= 3
    assert np.flatnonzero(edge)[0] == 600 - 6  # 3 px at 640 are 6 px at 1,280


def test_bars_cover_eyes_or_mouth_alone() -> None:
    white = flat(255)
    eyes = CORRUPTIONS["eyes"].apply(white, one_face(), 4).photo.pixels
    mouth = CORRUPTIONS["mouth"].apply(white, one_face(), 4).photo.pixels
    assert eyes[20, 35, 0] < 200
    assert eyes[40, 35, 0] == 255
    assert mouth[20, 35, 0] == 255
    assert mouth[40, 35, 0] < 200


def test_rotation_by_a_right_angle_turns_photo_and_faces() -> None:
    photo = textured(width=80, height=60)
    turned = CORRUPTIONS["rotation"].apply(photo, one_face(), 5)
    assert np.array_equal(turned.photo.pixels, np.rot90(photo.pixels))
    # a point (x, y) goes to (y, width - x)
    assert turned.faces.landmarks[0, 0] == pytest.approx([20, 80 - 25], abs=1e-3)
    assert turned.faces.boxes[0] == pytest.approx([5, 80 - 55, 50, 80 - 15], abs=1e-3)


def test_too_little_memory_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("cv2.filter2D", full)
    with pytest.raises(ImageError, match="more memory than is free"):
        CORRUPTIONS["defocus_blur"].apply(textured(), one_face(), 1)
