"""`featherface engines`: the file that it writes, and what it refuses in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featherface.cli.main import main
from featherface.evaluation.engine_accuracy import VariantAccuracy, load_engine_accuracy
from featherface.evaluation.paired_bootstrap import Difference, PrecisionComparison

SAME = Difference(0.8, 0.79, (-0.02, 0.0), (0.97, 1.0))
ROWS = tuple(
    VariantAccuracy(key, "1.0", 10**6, PrecisionComparison("WIDER FACE", 4, {"easy": SAME}, SAME))
    for key in ("pytorch-float32", "onnxruntime-int8")
)


@pytest.fixture
def engines(trained, manifest, tmp_path, monkeypatch):
    """A function that runs the command on four images of noise with V2's random weights."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(trained))
    files = ("--manifest", str(manifest), "--predictions", str(tmp_path / "found"))

    def run(*options: str) -> int:
        return main(["engines", *files, "--out", str(tmp_path / "engines" / "v2.json"), *options])

    return run


def test_each_row_is_saved_as_it_is_measured(engines, tmp_path, monkeypatch, capsys):
    def measured(weights, images, truth, folder: Path):
        assert [image.name for image in images] == ["dev/0.png", "dev/2.png"]
        assert (weights.key, folder) == ("v2", tmp_path / "found")
        yield ROWS[0]
        assert len(load_engine_accuracy(tmp_path / "engines" / "v2.json").rows) == 1
        yield ROWS[1]

    monkeypatch.setattr("featherface.evaluation.engine_accuracy.measure_variants", measured)
    options = ("--model", "v2", "--every", "2", "--image-set", "Party", "--used-for-selection")
    assert engines(*options) == 0
    found = load_engine_accuracy(tmp_path / "engines" / "v2.json")
    assert found.rows == ROWS
    assert (found.image_set, found.used_for_selection) == ("Party, one image in 2", True)
    assert "onnxruntime-int8" in capsys.readouterr().out
    assert engines(*options, "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == "v2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--model", "all"], "This measures one model", id="all models"),
        pytest.param(["--model", "v9"], "There is no model 'v9'", id="unknown model"),
        pytest.param(["--model", "v1"], "so there is nothing to measure", id="no weights"),
        pytest.param(["--model", "v2", "--every", "0"], "--every must be at least 1", id="every"),
        pytest.param(["--model", "v2", "--source", "none"], "its sources are: party", id="source"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(options, message, engines, capsys):
    assert engines(*options) == 2
    assert message in capsys.readouterr().err
