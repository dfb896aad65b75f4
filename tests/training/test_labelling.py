"""Labels from several scales: merged by size, resumable, and readable as a manifest."""

from __future__ import annotations

import json
import zipfile
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from featherface.cli.main import main
from featherface.detection.detections import Detections
from featherface.detection.images import decode_photo
from featherface.evaluation.manifest import ManifestError, read_manifest
from featherface.training.image_store import ImageStore
from featherface.training.labelling import Labelled, LabellingError, label_manifest, multiscale_faces

RUN = {"weights": "a"}


class DetectorByScale:
    """Finds, on a photo of 400 pixels, the faces listed for each input size: (left, height, score)."""

    def __init__(self, faces: dict[int, list[tuple[float, float, float]]]) -> None:
        self.faces = faces
        self.input_sizes: list[int] = []

    def candidates(self, photos, resize, input_size):
        self.input_sizes.append(input_size)
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
    assert label_manifest(detector, records[:3], output, scales=[1], run=RUN) == Labelled(3, 0, 0)
    with output.open("a") as file:
        file.write('{"image": "train/sc')  # what a crash can leave
    assert label_manifest(detector, records, output, scales=[1], run=RUN) == Labelled(len(records) - 3, 0, 0)

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


def test_no_pass_is_larger_than_a_network_input_may_be():
    photo = decode_photo(np.zeros((2048, 4096, 3), np.uint8))  # twice MAX_INPUT_PIXELS
    detector = DetectorByScale({2048: [(0, 200, 0.9)], 2896: [(300, 20, 0.8), (600, 80, 0.7)]})
    faces = multiscale_faces(detector, photo, (0.5, 1.0, 2.0))
    assert detector.input_sizes == [2048, 2896]  # the scales 1 and 2 become the same
    assert faces.scores.tolist() == pytest.approx([0.9, 0.8, 0.7])


@pytest.fixture
def described(tmp_path):
    """Pack images, bytes by name, and describe them with a size; return the path of the manifest."""

    def describe(images: dict[str, bytes], size: tuple[int, int]):
        with zipfile.ZipFile(tmp_path / "own-set.zip", "w") as archive:
            for name, content in images.items():
                archive.writestr(name, content)
        record = {"width": size[0], "height": size[1], "source": "set", "boxes": []}
        lines = [json.dumps(record | {"image": name}) for name in images]
        (tmp_path / "own.jsonl").write_text("\n".join(lines))
        return tmp_path / "own.jsonl"

    return describe


def turned_jpeg(folder) -> bytes:
    """Return a photo of 60 x 80 pixels that a camera stored as 80 x 60, with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 60)).save(folder / "turned.jpg", exif=exif)
    return (folder / "turned.jpg").read_bytes()


def test_the_size_in_a_record_is_that_of_the_upright_image(described, tmp_path):
    content = {"turned.jpg": turned_jpeg(tmp_path)}
    detector = DetectorByScale({80: [(10, 75, 0.9)]})  # lower than a lying photo reaches
    stored = read_manifest(described(content, (80, 60)))
    message = r"line 1: turned\.jpg has 60 x 80 pixels when it is upright, but its record says 80 x 60"
    with pytest.raises(ManifestError, match=message):
        label_manifest(detector, stored, tmp_path / "wrong.jsonl", scales=[1], run=RUN)
    with pytest.raises(ManifestError, match=message):
        ImageStore(stored, cache_bytes=0)[0]

    upright = read_manifest(described(content, (60, 80)))
    label_manifest(detector, upright, tmp_path / "labels.jsonl", scales=[1], run=RUN)
    (row,) = (json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines())
    assert row["boxes"] == [[10, 0, 60, 75]]
    assert ImageStore(upright, cache_bytes=0)[0].pixels.shape == (80, 60, 3)


def test_an_unreadable_image_is_left_out_and_named(described, tmp_path, capsys):
    whole = cv2.imencode(".png", np.full((40, 40, 3), 90, np.uint8))[1].tobytes()
    records = read_manifest(described({"whole.png": whole, "damaged.png": b"no image"}, (40, 40)))
    output, detector = tmp_path / "labels.jsonl", DetectorByScale({})
    assert label_manifest(detector, records, output, scales=[1], run=RUN) == Labelled(1, 1, 0)
    assert "Left out" in (text := capsys.readouterr().err)
    assert "damaged.png" in text
    with pytest.raises(LabellingError, match="None of the 1 images"):
        label_manifest(detector, records[1:], tmp_path / "none.jsonl", scales=[1], run=RUN)


@pytest.mark.parametrize("options", [["--scales", "9"], ["--model", "all"], ["--weights", "missing.pth"]])
def test_a_wrong_option_is_one_sentence(manifest, tmp_path, options, capsys):
    assert main(["label", str(manifest), "--out", str(tmp_path / "labels.jsonl"), *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
