from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import numpy as np
import pytest

from featherface.detection.detections import Detections, coco_document

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


def test_coco_numbers_annotations_through_all_pictures(three: Detections) -> None:
    document = coco_document(
        [("a.jpg", 60, 70, three), ("none.jpg", 5, 5, Detections.empty()), ("ö.jpg", 60, 70, three[:1])]
    )
    assert [image["id"] for image in document["images"]] == [1, 2, 3]
    assert [note["id"] for note in document["annotations"]] == [1, 2, 3, 4]
    assert [note["image_id"] for note in document["annotations"]] == [1, 1, 1, 3]
    first = document["annotations"][0]
    assert (first["bbox"], first["area"], first["score"]) == ([0, 0, 10, 20], 200, 0.9)
    assert first["keypoints"] == [5, 10, 2] * 5
    (category,) = document["categories"]
    assert (category["id"], category["name"], len(category["keypoints"])) == (first["category_id"], "face", 5)
    assert json.loads(json.dumps(document)) == document


def test_nothing_found_makes_valid_files() -> None:
    none = Detections.empty()
    assert none.to_dict() == {"boxes": [], "scores": [], "landmarks": []}
    assert none.to_csv().count("\n") == 1
    assert none.to_coco() == []
