from __future__ import annotations

import json

import pytest
import torch

from featherface.cli.main import main
from featherface.models import MODELS
from featherface.profiling.bench_file import load_bench

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


def test_engines_and_precisions_are_measured_one_after_the_other(tmp_path):
    path = tmp_path / "result.json"
    options = ("bench", "--sizes", "64", "--runs", "2", "--warmup", "0", "--out", str(path))
    assert main([*options, "--engine", "onnxruntime", "pytorch", "--precision", "float32", "float16"]) == 0
    points = load_bench(path)
    found = [(point.settings.engine, point.settings.precision.value) for point in points]
    assert found == [("onnxruntime", "float32"), ("onnxruntime", "float16"), ("pytorch", "float32")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--precision", "int4"], "There is no precision 'int4'", id="unknown"),
        pytest.param(
            ["--engine", "pytorch", "--precision", "int8"],
            "PyTorch cannot run the models in int8",
            id="refused",
        ),
    ],
)
def test_a_precision_that_does_not_run_is_one_sentence(options, message, capsys):
    assert main([*OPTIONS, *options]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_engine_is_one_sentence(capsys):
    assert main([*OPTIONS, "--engine", "caffe"]) == 2
    assert "There is no engine 'caffe'" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    assert main([*OPTIONS, "--out", str(tmp_path / "missing" / "result.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err
