from __future__ import annotations

import json
from pathlib import Path

import onnx

from featherface.cli.main import main

SAMPLES = Path(__file__).resolve().parents[2] / "assets/samples"


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
    assert record["parity"]["lost"] == record["parity"]["gained"] == 0


def test_int8_is_calibrated_on_the_named_photos(tmp_path, capsys):
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
    assert main([*options, "--calibration", str(SAMPLES / "eileen_collins.jpg")]) == 0
    assert "featherface_v2_int8.xml" in capsys.readouterr().out


def test_int8_without_photos_is_calibrated_on_the_samples(tmp_path, capsys):
    options = ["export", "--model", "v2", "--precision", "int8", "--out", str(tmp_path), "--json"]
    assert main(options) == 0
    faces = json.loads(capsys.readouterr().out)["v2"]["parity"]
    assert faces["lost"] + faces["gained"] < 0.2 * faces["faces"]
    assert "come from 10 photos" in (tmp_path / "README.md").read_text()


def test_a_folder_without_photos_is_one_sentence(tmp_path, capsys):
    options = ["--precision", "int8", "--calibration", str(tmp_path), "--out", str(tmp_path)]
    assert main(["export", *options]) == 2
    assert "contains no photos" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["export", "--model", "v2", "--out", str(tmp_path / "file" / "folder")]) == 2
    assert "cannot be written" in capsys.readouterr().err
