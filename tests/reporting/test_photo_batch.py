"""Several photos: the order by disagreement, the table and the files for all."""

from __future__ import annotations

import csv
import io
import json

from featherface.reporting.photo_batch import (
    by_disagreement,
    differing_faces,
    faces_csv,
    faces_json,
    photo_table,
)
from tests.reporting.test_comparison import comparison, squares

SAME = comparison("same, twice.jpg", v1=squares(10, 100), v2=squares(10, 100))
ONE_OF_THREE = comparison("one of three.jpg", v1=squares(10, 60, 110), v2=squares(10, 60))
ONE_OF_ONE = comparison("one of one.jpg", v1=squares(10), v2=squares())
TWO = comparison("two.jpg", v1=squares(10), v2=squares(100))
EMPTY = comparison("empty.jpg", v1=squares(), v2=squares())


def test_most_differing_faces_first_and_then_the_lower_agreement() -> None:
    photos = [SAME, EMPTY, ONE_OF_THREE, ONE_OF_ONE, TWO]
    assert [differing_faces(photo) for photo in photos] == [0, 0, 1, 1, 2]
    assert [photos[index].name for index in by_disagreement(photos)] == [
        "two.jpg",
        "one of one.jpg",
        "one of three.jpg",
        "same, twice.jpg",
        "empty.jpg",
    ]


def test_the_table_has_one_row_per_photo() -> None:
    table = photo_table([ONE_OF_THREE, EMPTY])
    first, second = table.to_dict("records")
    assert first == {
        "Photo": "one of three.jpg",
        "V1 faces": 3,
        "V2 faces": 2,
        "Found by both": 2,
        "Only V1": 1,
        "Only V2": 0,
        "Agreement": 2 / 3,
        "V1 latency (ms)": 1.2,
        "V2 latency (ms)": 1.2,
    }
    assert second["Agreement"] is None or second["Agreement"] != second["Agreement"]  # no face, no share


def test_one_model_alone_still_has_a_table() -> None:
    alone = comparison("alone.jpg", v1=squares(10))
    assert by_disagreement([alone, alone]) == [0, 1]
    assert list(photo_table([alone]).columns) == ["Photo", "V1 faces", "V1 latency (ms)"]


def test_the_files_hold_every_face_of_every_photo() -> None:
    rows = list(csv.DictReader(io.StringIO(faces_csv([SAME, EMPTY, TWO]))))
    assert [row["photo"] for row in rows] == ["same, twice.jpg"] * 4 + ["two.jpg"] * 2
    alone = list(csv.DictReader(io.StringIO(TWO.to_csv())))
    assert [{key: value for key, value in row.items() if key != "photo"} for row in rows[4:]] == alone
    document = json.loads(faces_json([SAME, EMPTY, TWO]))
    assert [photo["photo"] for photo in document["photos"]] == ["same, twice.jpg", "empty.jpg", "two.jpg"]
    assert document["photos"][2] == json.loads(TWO.to_json())["photos"][0]
