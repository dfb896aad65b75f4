from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from featherface.cli.main import main
from featherface.detection.images import decode_photo
from featherface.export import package, sample_images

SAMPLES = Path(__file__).resolve().parents[2] / "assets/samples"


@pytest.fixture(autouse=True)
def small_photo(tmp_path_factory, monkeypatch):
    """A face in few pixels, the only photo that the exported model is compared on."""
    path = tmp_path_factory.mktemp("photo") / "small.png"
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(SAMPLES / "eileen_collins.jpg")), (160, 200)))
    monkeypatch.setattr(sample_images, "SAMPLE_PHOTOS", (path,))
    return path


def test_the_files_are_written_and_listed(tmp_path, capsys):
    assert main(["export", "--model", "v2", "--out", str(tmp_path / "new" / "folder"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["v2"]
    written = {path.name: path.stat().st_size for path in (tmp_path / "new" / "folder").iterdir()}
    assert record["files"] == written
    assert set(written) == {
        "featherface_v2.onnx",
        "README.md",
        "detect_onnxruntime.py",
        "featherface_v2_onnx_float32.zip",
    }
    onnx.checker.check_model(str(tmp_path / "new" / "folder" / "featherface_v2.onnx"))
    assert [record["parity"][name] for name in ("faces", "gained", "lost")] == [1, 0, 0]


@pytest.fixture
def calibration(monkeypatch) -> list[np.ndarray]:
    """The images of a calibration, which is left out: the files themselves are tested with the export."""
    images = []
    monkeypatch.setattr(package, "quantised", lambda model, given: images.extend(given) or model)
    return images


def test_int8_is_calibrated_on_the_named_photos(tmp_path, capsys, small_photo, calibration):
    options = [
        "export",
        "--model",
        "v2",
        "--format",
        "openvino",
        "--precision",
        "int8",
        "--out",
        str(tmp_path),
    ]
    assert main([*options, "--calibration", str(small_photo)]) == 0
    (image,) = calibration
    assert np.array_equal(image[0], decode_photo(small_photo).pixels)
    assert "featherface_v2_int8.xml" in capsys.readouterr().out


def test_int8_without_photos_is_calibrated_on_ten_samples_at_their_size(tmp_path, calibration):
    assert main(["export", "--model", "v2", "--precision", "int8", "--out", str(tmp_path)]) == 0
    photos = [decode_photo(path) for path in sample_images.CALIBRATION_PHOTOS]
    assert [image.shape for image in calibration] == [(1, one.height, one.width, 3) for one in photos]
    assert len(photos) == 10
    assert "come from 10 photos" in (tmp_path / "README.md").read_text()


def test_a_folder_without_photos_is_one_sentence(tmp_path, capsys):
    options = ["--precision", "int8", "--calibration", str(tmp_path), "--out", str(tmp_path)]
    assert main(["export", *options]) == 2
    assert "contains no photos" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["export", "--model", "v2", "--out", str(tmp_path / "file" / "folder")]) == 2
    assert "cannot be written" in capsys.readouterr().err
