from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from featherface.checkpoints import WeightsFile
from featherface.detection.detections import Detections
from featherface.detection.images import ImageError, Photo, decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.engines.protocol import EngineInfo, Precision
from featherface.reporting.comparison import Comparison, compare
from featherface.serving.model_service import DetectionResult

ENGINE = EngineInfo("onnxruntime", "ONNX Runtime", "1.32.0", Precision.FLOAT32, 1)
SIZE = (200, 100)


def squares(*lefts: float) -> Detections:
    left = np.asarray(lefts, np.float32)
    boxes = np.stack((left, left * 0 + 20, left + 40, left * 0 + 60), axis=1)
    return Detections(
        boxes, np.linspace(0.9, 0.8, len(left), dtype=np.float32), np.zeros((len(left), 5, 2), np.float32)
    )


def comparison(name: str = "party.jpg", **found: Detections) -> Comparison:
    results = {
        key: DetectionResult(
            faces,
            MappingProxyType({"network": 1.23456}),
            (640, 640),
            WeightsFile(Path(f"/somewhere/{key}.safetensors"), key, "abc", {}, "shipped"),
            "2026-01-01T00:00:00+00:00",
            from_cache=False,
            engine=ENGINE,
        )
        for key, faces in found.items()
    }
    return compare(name, SIZE, results, dict.fromkeys(results, DetectionSettings()))


@pytest.fixture
def photo() -> Photo:
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return decode_photo(noise)


def test_partners_number_the_matches() -> None:
    both = comparison(v1=squares(10, 100), v2=squares(102, 150))
    assert both.partners("v1").tolist() == [-1, 0]
    assert both.partners("v2").tolist() == [0, -1]


def test_the_csv_numbers_matches_from_1_as_the_page_does() -> None:
    both = comparison(v1=squares(10, 100, 150), v2=squares(102, 152))
    rows = csv.DictReader(io.StringIO(both.to_csv()))
    assert [(row["model"], row["match"]) for row in rows] == [
        ("v1", "-1"),
        ("v1", "1"),
        ("v1", "2"),
        ("v2", "1"),
        ("v2", "2"),
    ]


def test_one_model_alone_has_no_partners() -> None:
    alone = comparison(v1=squares(10))
    assert alone.agreement is None
    assert alone.partners("v1").tolist() == [-1]


def test_boxes_in_files_end_where_the_photo_does() -> None:
    """A network's box may reach beyond the photo; annotation tools refuse one that does."""
    faces = replace(
        squares(-15.004, 180.003),
        boxes=np.array([[-15, -3, 25, 60.006], [180.003, 50, 209, 120]], np.float32),
    )
    one = comparison(v1=faces)
    (photo,) = json.loads(one.to_json())["photos"]
    assert photo["models"]["v1"]["boxes"] == [[0, 0, 25, 60.01], [180, 50, 200, 100]]
    assert [face["bbox"] for face in json.loads(one.to_coco("v1"))] == [[0, 0, 25, 60.01], [180, 50, 20, 50]]
    rows = list(csv.DictReader(io.StringIO(one.to_csv())))
    assert [float(row["x2"]) for row in rows] == [25, 200]
    assert one.faces["v1"].boxes[0, 0] == -15  # on the page and in the agreement it stays as it is


def test_the_files_agree() -> None:
    both = comparison(v1=squares(-10, 100), v2=squares(102, 190))
    (photo,) = json.loads(both.to_json())["photos"]
    boxes = [(key, box) for key, model in photo["models"].items() for box in model["boxes"]]
    rows = list(csv.DictReader(io.StringIO(both.to_csv())))
    assert [(row["model"], [float(row[name]) for name in ("x1", "y1", "x2", "y2")]) for row in rows] == boxes
    corners = [
        (key, [*face["bbox"][:2], *np.add(face["bbox"][:2], face["bbox"][2:])])
        for key in both.faces
        for face in json.loads(both.to_coco(key))
    ]
    assert corners == boxes
    assert "/somewhere" not in both.to_json()  # the server's folders are nobody's business


def test_no_face_gives_empty_files() -> None:
    nothing = comparison(v1=Detections.empty(), v2=Detections.empty())
    header, *rows = csv.reader(io.StringIO(nothing.to_csv()))
    full, *_ = csv.reader(io.StringIO(comparison(v1=squares(10), v2=squares(10)).to_csv()))
    assert (header, rows) == (full, [])
    assert json.loads(nothing.to_coco("v1")) == []


@pytest.mark.parametrize(
    ("name", "image_id"),
    [("party.jpg", "party"), ("000000397133.jpg", 397133)],  # COCO numbers its images in their file names
)
def test_coco_results_load_one_model_at_a_time(name: str, image_id: str | int, tmp_path: Path) -> None:
    both = comparison(name, v1=squares(10, 100), v2=squares(102))
    truth = COCO()
    truth.dataset = {"images": [{"id": image_id}], "annotations": [], "categories": [{"id": 1}]}
    truth.createIndex()
    path = tmp_path / "results.json"
    for key, faces in both.faces.items():
        path.write_text(both.to_coco(key))
        loaded = truth.loadRes(str(path))
        annotations = loaded.loadAnns(loaded.getAnnIds(imgIds=[image_id], catIds=[1]))
        assert [face["score"] for face in annotations] == pytest.approx(faces.scores, abs=1e-6)
        assert all(
            type(flag) is int and flag == 2 for face in annotations for flag in face["keypoints"][2::3]
        )


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("Insufficient memory")])
def test_no_memory_to_draw_is_one_sentence(
    photo: Photo, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def annotate(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("featherface.reporting.comparison.annotate", annotate)
    with pytest.raises(ImageError, match=r"party\.jpg at full size \(200 x 100 pixels\) needs more memory"):
        comparison(v1=squares(10)).annotated_file(photo, "png")


@pytest.mark.parametrize("side", [1, 3])
def test_hiding_reaches_a_face_that_one_model_alone_found(photo: Photo, side: int) -> None:
    large = decode_photo(photo.pixels.repeat(side, 0).repeat(side, 1))  # shown at another size than analysed
    hidden = comparison(v1=squares(), v2=squares(100)).hidden(large, "pixelate").pixels
    inside = np.s_[20 * side : 60 * side, 100 * side : 140 * side]
    assert len(np.unique(hidden[inside].reshape(-1, 3), axis=0)) <= 64
    assert (hidden[:, : 80 * side] == large.pixels[:, : 80 * side]).all()


def test_only_differences_leaves_matches_undrawn(photo: Photo) -> None:
    both = comparison(v1=squares(10, 100), v2=squares(102))
    options = {"landmarks": False, "scores": False, "hide": None}
    pair = both.annotated(photo, differences=True, **options)
    first, second = np.hsplit(pair[-SIZE[1] :], 2)
    assert (second == photo.pixels).all()
    assert (first != photo.pixels).any(axis=(0, 2)).nonzero()[0].max() < 60


def test_wide_photos_go_below_each_other() -> None:
    wide = decode_photo(np.zeros((50, 200, 3), np.uint8))
    pair = comparison(v1=squares(10), v2=squares(10)).annotated(
        wide, landmarks=True, scores=True, differences=False, hide=None
    )
    assert pair.shape[1] == 200
