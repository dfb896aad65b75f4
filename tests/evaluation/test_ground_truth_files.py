"""Own ground truth as WIDER FACE text and COCO JSON: other programs, and our evaluator, read them again."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from featherface.detection.detections import Detections
from featherface.evaluation.average_precision import evaluate
from featherface.evaluation.ground_truth_files import (
    GroundTruthFileError,
    PhotoFaces,
    coco_image_id,
    file_name_key,
    read_ground_truth_file,
    to_coco_json,
    to_wider_text,
)
from featherface.evaluation.marked_photo import MarkedPhoto
from featherface.evaluation.predictions import Prediction
from featherface.evaluation.wider_zip import read_wider_zip

PARTY = PhotoFaces("party.jpg", 640, 480, ((10.0, 20.0, 50.0, 70.0), (100.5, 20.25, 140.75, 70.5)))
EMPTY = PhotoFaces("Grüße aus Köln.HEIC", 300, 200, ())
PHOTOS = (PARTY, EMPTY)


def found_in(photo: PhotoFaces) -> Detections:
    """Detections exactly at the faces of a photo."""
    boxes = np.array(photo.faces, np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(boxes), 0.9, np.float32), np.zeros((len(boxes), 5, 2), np.float32))


def test_our_evaluator_reads_the_text_and_finds_every_face() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("own_bbx_gt.txt", to_wider_text(PHOTOS))
        for photo in PHOTOS:
            archive.writestr(photo.name, b"an image")
    annotated = read_wider_zip(data.getvalue())
    assert annotated.absent == ()
    names = [image.name for image in annotated.images]
    predictions = [
        Prediction(name, faces.boxes.astype(np.float64), faces.scores.astype(np.float64))
        for name, faces in zip(names, map(found_in, PHOTOS), strict=True)
    ]
    curve = evaluate(predictions, annotated.ground_truth).curves["all"]
    assert (curve.faces, curve.average_precision) == (2, pytest.approx(1, abs=1e-3))


def test_pycocotools_scores_the_models_results_against_the_file(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text(to_coco_json(PHOTOS), encoding="utf-8")
    (tmp_path / "results.json").write_text(json.dumps(found_in(PARTY).to_coco(coco_image_id(PARTY.name))))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / "truth.json"))
        scored = COCOeval(truth, truth.loadRes(str(tmp_path / "results.json")), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    assert len(truth.getAnnIds()) == 2
    assert scored.stats[1] == pytest.approx(1)  # AP at an IoU of 0.5


@pytest.mark.parametrize("form", [to_wider_text, to_coco_json], ids=["WIDER FACE", "COCO"])
def test_files_are_read_again(form) -> None:
    found = read_ground_truth_file(form(PHOTOS).encode(), "file").images
    assert list(found) == ["party.jpg", file_name_key(EMPTY.name)]
    assert found["party.jpg"].faces == pytest.approx(np.array(PARTY.faces), abs=1)
    assert found[file_name_key(EMPTY.name)] == MarkedPhoto(complete=True)


@pytest.mark.parametrize(
    ("form", "complete"),
    [
        pytest.param(to_wider_text, True, id="WIDER FACE has no place for it"),
        pytest.param(to_coco_json, False, id="COCO"),
    ],
)
def test_a_file_tells_whether_all_faces_are_marked(form, complete) -> None:
    found = read_ground_truth_file(form([replace(PARTY, complete=False)]).encode(), "file")
    assert found.images["party.jpg"].complete is complete


@pytest.mark.parametrize("form", [to_wider_text, to_coco_json], ids=["WIDER FACE", "COCO"])
def test_images_of_the_same_name_are_told_and_give_no_faces(form) -> None:
    twice = (PARTY, PhotoFaces("Party.JPG", 64, 48, ((1.0, 2.0, 9.0, 9.0),)), EMPTY)
    found = read_ground_truth_file(form(twice).encode(), "file")
    assert list(found.images) == [file_name_key(EMPTY.name)]
    assert found.repeated == {"party.jpg"}


def test_photos_of_the_same_name_stay_apart() -> None:
    twice = (PARTY, PhotoFaces("party.jpg", 64, 48, ()))
    assert [line for line in to_wider_text(twice).splitlines() if "party" in line] == [
        "photos/party.jpg",
        "photos_2/party.jpg",
    ]
    assert [image["id"] for image in json.loads(to_coco_json(twice))["images"]] == ["party", "party_2"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "contains no images", id="nothing"),
        pytest.param(b"\xff\xd8\xff\xe0 a photo", "malformed", id="a JPEG"),
        pytest.param(b"{", "not a readable COCO file", id="cut JSON"),
        pytest.param(b'{"images": [], "annotations": []}', "contains no images", id="no images"),
        pytest.param(
            b'{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 2, "bbox": [1,2,3,4]}]}',
            "not a readable COCO file",
            id="a box of no image",
        ),
        pytest.param(
            b'{"images": [{"id":1, "file_name":""}], "annotations": [{"image_id": 1, "bbox": [1,2,NaN,4]}]}',
            "not a readable COCO file",
            id="not a number",
        ),
        pytest.param(
            b'{"images": [{"id":1, "file_name":"a"}, {"id":1, "file_name":"b"}], "annotations": []}',
            "not a readable COCO file",
            id="two images of one id",
        ),
        pytest.param(b'{"images": {"a": 1}, "annotations": 3}', "not a readable COCO file", id="odd types"),
        pytest.param(b"[" * 100_000, "malformed", id="deep JSON"),
        pytest.param(b'{"a":' + b"[" * 100_000, "not a readable COCO file", id="deep JSON object"),
        pytest.param(b"a.jpg\n2001\n" + b"1 2 3 4\n" * 2001, "more than 2,000 faces", id="too many faces"),
    ],
)
def test_what_is_no_ground_truth_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(GroundTruthFileError, match=message):
        read_ground_truth_file(data, "truth.json")


def test_ignored_and_empty_boxes_are_left_out() -> None:
    text = b"photos/a.jpg\n3\n1 2 30 40 0 0 0 0 0 0\n1 2 30 40 0 0 0 1 0 0\n5 5 0 9\n"
    found = read_ground_truth_file(text, "own.txt").images
    assert found == {"a.jpg": MarkedPhoto(((1, 2, 31, 42),), complete=True)}
