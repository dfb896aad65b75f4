"""`featherface prune`: the file that it writes, and what it refuses in one sentence."""

from __future__ import annotations

import json

import pytest

from featherface.cli.main import main
from featherface.study.pruned_training import PrunedNetworks, TrainedPruning, load_pruned_training
from featherface.study.pruning_curve import PrunedScore, load_pruning_curve

SCORES = (PrunedScore(0.05, 0.799, (-0.003, 0.001)), PrunedScore(0.1, 0.79, (-0.02, 0.002)))


@pytest.fixture
def prune(trained, manifest, tmp_path, monkeypatch):
    """A function that runs the command on the images with V2's random weights."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(trained))

    def run(*options: str) -> int:
        return main(["prune", "--manifest", str(manifest), "--out", str(tmp_path / "v2.json"), *options])

    return run


def test_the_curve_is_saved_and_printed(prune, tmp_path, monkeypatch, capsys):
    def measured(network, images, truth):
        assert [image.name for image in images] == ["dev/0.png", "dev/2.png"]
        return 0.8, SCORES

    monkeypatch.setattr("featherface.study.pruning_curve.measure_pruning", measured)
    options = ("--model", "v2", "--every", "2", "--image-set", "Party", "--used-for-selection")
    assert prune(*options) == 0
    curve = load_pruning_curve(tmp_path / "v2.json")
    assert (curve.whole, curve.scores, curve.images) == (0.8, SCORES, 2)
    assert (curve.image_set, curve.used_for_selection) == ("Party, one image in 2", True)
    assert "Largest share with a loss below 0.01: 5%" in capsys.readouterr().out
    assert prune(*options, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "v2.json").read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--model", "all"], "Pruning measures one model", id="all models"),
        pytest.param(["--model", "v9"], "There is no model 'v9'", id="unknown model"),
        pytest.param(["--model", "v1"], "so there is nothing to prune", id="no weights"),
        pytest.param(["--model", "v2", "--every", "0"], "--every must be at least 1", id="every"),
        pytest.param(["--model", "v2", "--source", "none"], "its sources are: party", id="source"),
        pytest.param(["--model", "v2"], "Pruning cannot be judged on these images", id="too few images"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(options, message, prune, tmp_path, capsys):
    assert prune(*options) == 2
    *progress, last = capsys.readouterr().err.splitlines()
    assert message in last
    assert last.startswith("featherface: ")
    assert not any("featherface" in line for line in progress)
    assert not (tmp_path / "v2.json").exists()


def test_trained_networks_are_measured_instead_of_the_curve(prune, tmp_path, monkeypatch, capsys):
    row = TrainedPruning("channels", 0.25, 150, 8, 750, 0.4, 0.7, (-0.02, 0.0), 900, 1.2, (1.1, 1.3))

    def measured(weights, trained, images, truth, latency):
        assert (weights.key, len(trained), len(images)) == ("v2", 2, 4)
        return PrunedNetworks(0.71, 1000, 1200, "onnxruntime 1", (row,))

    monkeypatch.setattr("featherface.study.pruned_training.measure_pruned_training", measured)
    assert prune("--model", "v2", "--trained", "a.safetensors", "--trained", "b.safetensors") == 0
    found = load_pruned_training(tmp_path / "v2.json")
    assert (found.whole, found.rows, found.engine) == (0.71, (row,), "onnxruntime 1")
    printed = capsys.readouterr().out
    assert "25% of the channels: 0.4000, after 150 steps 0.7000; change: 95% -0.020 to 0.000" in printed
