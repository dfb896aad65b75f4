from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from featherface.detection.detections import Detections, DetectionsError

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


BOXES = np.zeros((2, 4), np.float32)
SCORES = np.array([0.9, 0.8], np.float32)
POINTS = np.zeros((2, 5, 2), np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((BOXES.astype(np.float64), SCORES, POINTS), r"boxes .* \(2, 4\), not float64 \(2, 4\)"),
        ((BOXES[:1], SCORES, POINTS), r"boxes .* \(2, 4\), not float32 \(1, 4\)"),
        ((BOXES[0], SCORES, POINTS), r"boxes .* not float32 \(4,\)"),
        ((BOXES, SCORES[:, None], POINTS), r"scores .* \(2,\), not float32 \(2, 1\)"),
        ((BOXES, np.float32(0.9), POINTS), "boxes .* not float32"),
        ((BOXES, SCORES, POINTS.reshape(2, 10)), r"landmarks .* \(2, 5, 2\), not float32 \(2, 10\)"),
        ((BOXES.tolist(), SCORES, POINTS), "boxes .* not a list"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: tuple[object, ...], message: str) -> None:
    with pytest.raises(DetectionsError, match=message):
        Detections(*arrays)


def test_scaled_moves_boxes_and_landmarks_alike(three: Detections) -> None:
    twice = three.scaled(2, 0.5)
    np.testing.assert_allclose(twice.boxes[0], [0, 0, 20, 10])
    np.testing.assert_allclose(twice.landmarks[0, 0], [10, 5])


def test_json_holds_plain_numbers(three: Detections) -> None:
    read = json.loads(three.to_json())
    assert read["boxes"][1] == [30.0, 30.0, 50.0, 60.13]
    assert read["scores"] == [0.9, 0.7, 0.5]
    assert read["landmarks"][0] == [5.0, 10.0] * 5


def test_csv_has_one_line_per_face(three: Detections) -> None:
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


def test_no_faces_make_valid_files() -> None:
    none = Detections.empty()
    assert none.to_dict() == {"boxes": [], "scores": [], "landmarks": []}
    assert none.to_csv().count("\n") == 1
    assert none.to_coco() == []


def test_the_pass_that_found_a_face_stays_with_it(three: Detections) -> None:
    marked = replace(three, found_by=np.array([1, 0, 2]))
    assert marked[[2, 0]].found_by.tolist() == [2, 1]
    assert marked.scaled(2, 2).found_by.tolist() == [1, 0, 2]
    with pytest.raises(DetectionsError, match=r"found_by to be int64 of shape \(3,\), not int64 \(2,\)"):
        replace(three, found_by=np.array([1, 0]))
