"""The pruning claim: tolerated while the interval rules out a larger loss, and kept in a file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from featherface.evaluation.ground_truth import Faces, GroundTruth, Subset
from featherface.evaluation.predictions import Prediction
from featherface.study import pruning_curve
from featherface.study.claims import Verdict, audit
from featherface.study.pruning_curve import (
    PrunedScore,
    PruningCurve,
    PruningCurveError,
    load_pruning_curve,
    measure_pruning,
    save_pruning_curve,
    tolerated_shares,
)

FACE = np.array([[10.0, 10.0, 30.0, 30.0]])


def curve(*intervals: tuple[float, float]) -> PruningCurve:
    points = tuple(
        PrunedScore(0.1 * number, 0.8, interval) for number, interval in enumerate(intervals, start=1)
    )
    return PruningCurve("v2", "two", "val", 9, "WIDER FACE", "2026-01-01T00:00:00+00:00", True, 0.8, points)


@pytest.mark.parametrize(
    ("intervals", "shares"),
    [
        pytest.param(((-0.009, 0.01), (-0.008, -0.001)), (0.2, 0.2), id="losses below the margin"),
        pytest.param(((-0.009, 0.01), (-0.02, -0.01), (-0.009, 0.01)), (0.1, 0.1), id="up to the first"),
        pytest.param(((-0.009, 0.01), (-0.2, 0.1)), (0.1, 0.2), id="too few images to tell"),
        pytest.param(((-0.02, -0.01),), (0.0, 0.0), id="none"),
    ],
)
def test_pruning_is_tolerated_while_the_interval_rules_out_a_larger_loss(intervals, shares):
    assert tolerated_shares(curve(*intervals)) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        pytest.param(((-0.009, 0.01),), Verdict.HOLDS, id="10% can go"),
        pytest.param(((-0.02, 0.01),), Verdict.INCONCLUSIVE, id="too few images to tell"),
        pytest.param(((-0.02, -0.01),), Verdict.WRONG, id="10% is too much"),
        pytest.param(None, Verdict.NOT_MEASURED, id="not measured"),
    ],
)
def test_the_claim_is_judged_by_what_was_measured(counted, intervals, verdict):
    found = curve(*intervals) if intervals else None
    models = {**counted.models, "v2": replace(counted.models["v2"], pruning=found)}
    row = next(row for row in audit(replace(counted, models=models)) if row.claim.id == "pruning")

    assert row.verdict == verdict
    assert row.reading is None or row.reading.badge == "measured"
    assert row.reading is None or "below 0.01 by its 95% paired bootstrap interval" in row.reading.how


def test_pruned_copies_are_scored_against_the_whole_network_on_the_same_images(monkeypatch):
    """A detector that loses faces with its weights: those of the first images, one for each zero."""

    def predictions(network: torch.nn.Module, images: range) -> list[Prediction]:
        lost = int((network.weight == 0).sum())
        return [
            Prediction(str(number), FACE[: int(number >= lost)], np.full(int(number >= lost), 0.9))
            for number in images
        ]

    monkeypatch.setattr(pruning_curve, "Predictor", lambda network: network)
    monkeypatch.setattr(pruning_curve, "predict_images", predictions)
    faces = Faces(FACE, {"all": np.array([True])})
    truth = GroundTruth("test", (Subset("all"),), {str(number): faces for number in range(20)})
    network = torch.nn.Linear(20, 1)
    whole, scores = measure_pruning(network, range(20), truth, (0.1, 0.5))

    assert whole == 1
    assert [(point.share, point.score) for point in scores] == [(0.1, 0.9), (0.5, 0.5)]
    assert [point.tolerated for point in scores] == [False, False]
    assert [point.refused for point in scores] == [
        False,
        True,
    ]  # of two lost faces a resample may hold neither


def test_a_curve_survives_the_way_to_a_file_and_back(tmp_path):
    save_pruning_curve(tmp_path / "v2.json", curve((-0.01, 0.01), (-0.2, -0.1)))

    assert load_pruning_curve(tmp_path / "v2.json") == curve((-0.01, 0.01), (-0.2, -0.1))


@pytest.mark.parametrize(
    "change",
    [
        {"scores": []},
        {"whole": 2},
        {"scores": [{"share": 0.1}]},
        {"date": "today"},
        {"images": "9"},
        {"model": 1},
    ],
)
def test_a_damaged_file_is_named(tmp_path, change):
    file = tmp_path / "v2.json"
    save_pruning_curve(file, curve((-0.01, 0.01)))
    file.write_text(json.dumps(json.loads(file.read_text()) | change))

    with pytest.raises(PruningCurveError, match=r"v2\.json is not a readable"):
        load_pruning_curve(file)
