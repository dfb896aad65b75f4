"""What training gives back to pruned networks: how it is measured, kept in a file, and judged."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from featherface.checkpoints import save_weights, shipped_weights
from featherface.evaluation.ground_truth import Faces, GroundTruth, Subset
from featherface.evaluation.predictions import Prediction
from featherface.models import MODELS
from featherface.profiling.latency import LatencySettings
from featherface.profiling.pruning import channel_masks, keep_zeros
from featherface.study import pruned_training
from featherface.study.claims import Verdict, audit
from featherface.study.pruned_training import (
    PrunedTraining,
    PrunedTrainingError,
    TrainedPruning,
    load_pruned_training,
    measure_pruned_training,
    save_pruned_training,
)
from featherface.study.pruning_curve import PrunedScore, PruningCurve
from featherface.study.results import shipped_pruned_training

WHEN = "2026-01-01T00:00:00+00:00"
ROW = TrainedPruning("channels", 0.25, 150, 8, 750, 0.4, 0.7, (-0.009, 0.0), 900, 1.2, (1.1, 1.3))
FOUND = PrunedTraining(
    "v2", "two", "val", 9, "WIDER FACE", WHEN, True, 0.7, 1000, 1200, "onnxruntime 1", (ROW,)
)
CURVE = PruningCurve(
    "v2", "two", "val", 9, "WIDER FACE", WHEN, True, 0.7, (PrunedScore(0.1, 0.6, (-0.2, -0.1)),)
)


@pytest.fixture
def weights(tmp_path):
    """Random weights of V2 beside the same with silenced channels, as training leaves them."""
    torch.manual_seed(0)
    network = MODELS["v2"].builder().eval()
    save_weights(network, MODELS["v2"], tmp_path / MODELS["v2"].weights, {})
    trained = copy.deepcopy(network)
    keep_zeros(trained, channel_masks(trained, 0.25))
    pruning = {"share": 0.25, "of": "channels"}
    provenance = {"steps": 150, "images_per_step": 8, "pruning": pruning}
    save_weights(trained, MODELS["v2"], tmp_path / "trained.safetensors", provenance)
    return shipped_weights(MODELS["v2"], tmp_path)


def test_a_trained_network_is_compared_with_the_whole_and_with_the_untrained_one(
    weights, tmp_path, monkeypatch
):
    """The whole network finds every face, the untrained one none, the trained one all but one."""
    found = iter([20, 19, 0])
    box = np.array([[10.0, 10.0, 30.0, 30.0]])

    def predictions(network, images):
        hits = next(found)
        return [
            Prediction(str(number), box[: int(number < hits)], np.full(int(number < hits), 0.9))
            for number in images
        ]

    monkeypatch.setattr(pruned_training, "Predictor", lambda network: network)
    monkeypatch.setattr(pruned_training, "predict_images", predictions)
    faces = Faces(box, {"all": np.array([True])})
    truth = GroundTruth("test", (Subset("all"),), {str(number): faces for number in range(20)})
    latency = LatencySettings(64, 64, runs=2, warmup=0)
    measured = measure_pruned_training(weights, [tmp_path / "trained.safetensors"], range(20), truth, latency)
    (row,) = measured.rows
    assert (measured.whole, row.before) == (pytest.approx(1), 0)
    assert 0.9 <= row.after < 1
    assert row.interval[0] <= row.after - measured.whole <= row.interval[1]
    assert (row.of, row.share, row.steps, row.images_per_step) == ("channels", 0.25, 150, 8)
    assert measured.whole_parameters == 256_156
    assert row.parameters < 200_000
    assert row.file_bytes < measured.whole_bytes - 200_000
    assert row.times_faster > 0
    assert measured.engine.startswith("onnxruntime ")


def test_weights_that_were_not_pruned_are_refused(weights, monkeypatch):
    monkeypatch.setattr(pruned_training, "predict_images", lambda *_: [])
    with pytest.raises(PrunedTrainingError, match="was not pruned"):
        measure_pruned_training(weights, [weights.path], [], None, LatencySettings())


@pytest.mark.parametrize(
    ("interval", "verdict", "reduction"),
    [
        pytest.param((-0.009, 0.0), Verdict.HOLDS, (25, 25), id="training gives it back"),
        pytest.param((-0.02, 0.0), Verdict.INCONCLUSIVE, (0, 25), id="too few images to tell"),
        pytest.param((-0.03, -0.01), Verdict.WRONG, (0, 0), id="a loss remains"),
    ],
)
def test_the_claim_follows_from_pruning_with_training(counted, interval, verdict, reduction):
    trained = replace(FOUND, rows=(replace(ROW, interval=interval),))
    measured = replace(counted.models["v2"], pruning=CURVE, pruned_training=trained)
    models = {**counted.models, "v2": measured}
    row = next(row for row in audit(replace(counted, models=models)) if row.claim.id == "pruning")

    assert row.verdict == verdict
    assert (row.reading.low, row.reading.high) == tuple(map(pytest.approx, reduction))
    assert "0.400, and 0.700 after 150 training steps of 8 images" in row.reading.how


def test_results_survive_the_way_to_a_file_and_count_for_their_weights_alone(tmp_path):
    folder = tmp_path / "evaluation" / "pruned_training"
    folder.mkdir(parents=True)
    save_pruned_training(folder / "v2.json", FOUND)
    (folder / "broken.json").write_text("[]")

    assert load_pruned_training(folder / "v2.json") == FOUND
    assert shipped_pruned_training(tmp_path, {"v2": "two"}) == {"v2": FOUND}
    assert shipped_pruned_training(tmp_path, {"v2": "newer"}) == {}


@pytest.mark.parametrize(
    "change", [{"rows": [{}]}, {"rows": []}, {"whole": "high"}, {"date": "today"}, {"x": 1}]
)
def test_a_damaged_file_is_named(tmp_path, change):
    file = tmp_path / "v2.json"
    save_pruned_training(file, FOUND)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))

    with pytest.raises(PrunedTrainingError, match=r"v2\.json is not a readable"):
        load_pruned_training(file)
