"""Images without faces: reproducible textures and the count of false positives."""

from __future__ import annotations

import numpy as np
import pytest

from featherface.detection.images import decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.evaluation.no_face_set import count_false_positives, generated_textures


class DetectorByBrightness:
    """Reports two faces on a bright photo and none on a dark one."""

    def detect(self, photo, settings):
        return [None] * (2 if photo.pixels.mean() > 128 else 0)


def test_false_positives_are_counted_per_image():
    photos = [decode_photo(np.full((32, 32, 3), value, np.uint8)) for value in (0, 255, 200)]
    result = count_false_positives(DetectorByBrightness(), photos, DetectionSettings())
    assert (result.images, result.detections, result.images_with_detections) == (3, 4, 2)
    assert result.per_image == pytest.approx(4 / 3)
    assert count_false_positives(DetectorByBrightness(), [], DetectionSettings()).per_image == 0


def test_textures_repeat_themselves_and_differ_from_one_another():
    first, again, other = (list(generated_textures(6, 64, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not any(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
    assert all(texture.shape == (64, 64, 3) and texture.std() > 1 for texture in first)
