from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import numpy as np
import pytest

from featherface.detection.detections import Detections

Faces = Callable[..., Detections]


@pytest.fixture
def three(faces: Faces) -> Detections:
    return faces((0, 0, 10, 20), (30, 30, 50, 60.126), (-2.5, 5, 8, 9))


@pytest.mark.parametrize(
    ("chosen", "scores"),
    [
        (np.array([True, False, True]), [0.9, 0.5]),
        ([2, 0], [0.5, 0.9]),
        (slice(1, None), [0.7, 0.5]),
        ([], []),
        (np.zeros(3, bool), []),
    ],
)
def test_choosing(three: Detections, chosen: object, scores: list[float]) -> None:
    part = three[chosen]
    assert len(part) == len(scores)
    assert part.scores == pytest.approx(scores)
    assert part.boxes.shape == (len(scores), 4)
    assert part.landmarks.shape == (len(scores), 5, 2)


def test_scaled_moves_boxes_and_landmarks_alike(three: Detections) -> None:
    twice = three.scaled(2, 0.5)
    np.testing.assert_allclose(twice.boxes[0], [0, 0, 20, 10])
    np.testing.assert_allclose(twice.landmarks[0, 0], [10, 5])


def test_json_holds_plain_numbers(three: Detections) -> None:
    read = json.loads(three.to_json())
    assert read["boxes"][1] == [30.0, 30.0, 50.0, 60.13]
    assert read["scores"] == [0.9, 0.7, 0.5]
    assert read["landmarks"][0] == [5.0, 10.0] * 5


def test_csv_is_one_line_a_face(three: Detections) -> None:
    rows = list(csv.DictReader(io.StringIO(three.to_csv())))
    assert len(rows) == 3
    assert (rows[2]["x1"], rows[2]["score"], rows[2]["left_eye_y"]) == ("-2.5", "0.5", "7.0")
    assert list(rows[0])[-1] == "right_mouth_corner_y"


def test_coco_results_have_width_and_height_and_whole_flags(three: Detections) -> None:
    first, *_ = three.to_coco("a")
    assert first == {
        "image_id": "a",
        "category_id": 1,
        "bbox": [0, 0, 10, 20],
        "score": 0.9,
        "keypoints": [5, 10, 2] * 5,
    }
    assert all(type(flag) is int for flag in first["keypoints"][2::3])


def test_nothing_found_makes_valid_files() -> None:
    none = Detections.empty()
    assert none.to_dict() == {"boxes": [], "scores": [], "landmarks": []}
    assert none.to_csv().count("\n") == 1
    assert none.to_coco() == []
