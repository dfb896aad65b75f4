from __future__ import annotations

import json

import torch

from featherface.cli.main import main
from featherface.models import MODELS

OPTIONS = ("bench", "--sizes", "32", "64", "--runs", "2", "--warmup", "0")


def test_json_has_every_size_and_model(capsys):
    assert main([*OPTIONS, "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["settings"]["width"] for point in points] == [32, 64]
    assert all(point["summary"].keys() == MODELS.keys() and point["complete"] for point in points)
    assert [list(point["speed_up"]) for point in points] == [list(MODELS)[1:]] * 2


def test_the_speed_up_is_printed_with_its_interval(capsys):
    assert main(OPTIONS) == 0
    assert capsys.readouterr().out.count("95% confidence interval") == 2


def test_the_engine_and_the_file(tmp_path, capsys):
    path = tmp_path / "result.json"
    assert main([*OPTIONS, "--engine", "pytorch", "--out", str(path)]) == 0
    assert "PyTorch" in capsys.readouterr().out
    (first, _) = json.loads(path.read_text())["points"]
    assert first["settings"]["engine"] == "pytorch"
    assert first["engine_version"] == torch.__version__


def test_an_unknown_engine_is_one_sentence(capsys):
    assert main([*OPTIONS, "--engine", "caffe"]) == 2
    assert "There is no engine 'caffe'" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    assert main([*OPTIONS, "--out", str(tmp_path / "missing" / "result.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err
