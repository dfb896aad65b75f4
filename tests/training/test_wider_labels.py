"""WIDER FACE's label.txt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from featherface.evaluation.manifest import ManifestError, read_image_bytes
from featherface.training.wider_labels import read_wider_labels

FACE = "10 20 30 40 12 25 0.0 30 25 0.0 20 40 0.0 14 50 0.0 30 50 0.0 0.8"
NO_POINTS = "50 5 8 9" + " -1" * 15 + " 0.2"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "images" / "0--Parade" / "a.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(cv2.imencode(".png", np.zeros((80, 100, 3), np.uint8))[1].tobytes())
    return tmp_path


def test_faces_with_and_without_landmarks(folder):
    (folder / "label.txt").write_text(f"# 0--Parade/a.png\n{FACE}\n{NO_POINTS}\n")
    (record,) = read_wider_labels(folder / "label.txt")
    assert (record.width, record.height) == (100, 80)
    np.testing.assert_array_equal(record.boxes, [[10, 20, 40, 60], [50, 5, 58, 14]])
    np.testing.assert_array_equal(record.landmarks[0, 2], [20, 40])
    assert np.isnan(record.landmarks[1]).all()
    assert read_image_bytes(record).startswith(b"\x89PNG")


def test_the_size_is_that_of_the_upright_image(folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    Image.new("RGB", (100, 80)).save(folder / "images" / "0--Parade" / "turned.jpg", exif=exif)
    (folder / "label.txt").write_text("# 0--Parade/turned.jpg\n")
    (record,) = read_wider_labels(folder / "label.txt")
    assert (record.width, record.height) == (80, 100)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no image"),
        (FACE, "line 1: a face before the first image name"),
        ("# 0--Parade/a.png\n1 2 3\n", "line 2: a face has 20 numbers, this line has 3"),
        ("# 0--Parade/a.png\n1 2 x\n", "line 2"),
        ("# 0--Parade/missing.png\n", "line 1: .*missing.png cannot be opened"),
    ],
)
def test_bad_labels_name_the_line(folder, text, message):
    (folder / "label.txt").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_wider_labels(folder / "label.txt")
