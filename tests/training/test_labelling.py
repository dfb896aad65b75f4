"""Labels from several scales: merged by size, resumable, and readable as a manifest."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from featherface.cli.main import main
from featherface.detection.detections import Detections
from featherface.detection.images import decode_photo
from featherface.evaluation.manifest import read_manifest
from featherface.training.labelling import LabellingError, label_manifest, multiscale_faces

RUN = {"weights": "a"}


class DetectorByScale:
    """Finds, on a photo of 400 pixels, the faces listed for each input size: (left, height, score)."""

    def __init__(self, faces: dict[int, list[tuple[float, float, float]]]) -> None:
        self.faces = faces

    def candidates(self, photos, resize, input_size):
        rows = self.faces.get(input_size, [])
        boxes = np.array([[left, 0, left + height, height] for left, height, _ in rows], np.float32)
        scores = np.array([score for *_, score in rows], np.float32)
        landmarks = np.zeros((len(rows), 5, 2), np.float32)
        return [SimpleNamespace(candidates=Detections(boxes.reshape(-1, 4), scores, landmarks))]


def test_scales_contribute_the_sizes_that_they_are_good_at():
    detector = DetectorByScale(
        {
            200: [(0, 200, 0.9), (300, 20, 0.8)],  # half size: the small face is not trusted
            400: [(0, 190, 0.6), (250, 12, 0.3)],  # the large face again, a little smaller
            800: [(250, 11, 0.7), (0, 150, 0.99)],  # twice the size: the large face is not trusted
        }
    )
    photo = decode_photo(np.zeros((300, 400, 3), np.uint8))
    faces = multiscale_faces(detector, photo, (0.5, 1.0, 2.0))
    assert faces.scores.tolist() == pytest.approx([0.9, 0.7])
    assert faces.boxes[:, 3].tolist() == [200, 11]


def test_labels_are_a_manifest_and_an_interrupted_run_continues(manifest):
    records = read_manifest(manifest, "scenes")
    output = manifest.with_name("train.labels.jsonl")
    detector = DetectorByScale({320: [(10, 40, 0.9), (150, 30, 0.3), (319, 50, 0.6)]})
    assert label_manifest(detector, records[:3], output, scales=[1], run=RUN) == 3
    with output.open("a") as file:
        file.write('{"image": "train/sc')  # what a crash can leave
    assert label_manifest(detector, records, output, scales=[1], run=RUN) == len(records) - 3

    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["image"] for row in rows] == [record.image for record in records]
    output.with_name("train.labels-scenes.zip").symlink_to(manifest.with_name("train-scenes.zip"))
    read = read_manifest(output)[0]
    assert read.boxes.tolist() == [
        [10, 0, 50, 40],
        [150, 0, 180, 30],
    ]  # the third is outside but for a sliver
    assert read.scores.tolist() == pytest.approx([0.9, 0.3])
    assert read.ignore.tolist() == [False, True]
    assert np.isfinite(read.landmarks[0]).all()
    assert np.isnan(read.landmarks[1]).all()

    with pytest.raises(LabellingError, match="other weights or scales"):
        label_manifest(detector, records, output, scales=[1, 2], run=RUN)


@pytest.mark.parametrize("options", [["--scales", "9"], ["--model", "all"], ["--weights", "missing.pth"]])
def test_a_wrong_option_is_one_sentence(manifest, tmp_path, options, capsys):
    assert main(["label", str(manifest), "--out", str(tmp_path / "labels.jsonl"), *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
