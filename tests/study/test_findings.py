"""Gains and losses follow from the numbers, and nothing is said that was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featherface.models import MODELS
from featherface.profiling.complexity import cost
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import now, this_machine
from featherface.profiling.quantisation import QuantisedSize
from featherface.study.findings import Direction, findings
from featherface.study.measurements import Accuracy, Measurements, ModelMeasurements
from featherface.study.provenance import Badge

LATENCY, PRECISION = 3, 4  # places among the findings


@pytest.fixture(scope="module")
def counted() -> Measurements:
    size = QuantisedSize(1, 1, 1, 1)
    stored = {"v1": 2_400_000, "v2": 1_200_000}
    models = {key: ModelMeasurements(cost(key, 64), stored[key], size, "seeded") for key in MODELS}
    return Measurements(now(), this_machine(), models)


def timed(counted: Measurements, *first: float, second: float) -> Measurements:
    times = {
        "v1": {"network": first * 10},
        "v2": {"network": (second, 1.01 * second) * (5 * len(first))},
    }
    settings = LatencySettings(runs=len(first) * 10)
    return replace(counted, latency=LatencyResult(settings, this_machine(), now(), times, 1.0, True))


def scored(counted: Measurements, protocols: tuple[str, str], hard: tuple[float, float]) -> Measurements:
    models = {
        key: replace(
            counted.models[key], accuracy=Accuracy(0.9, 0.9, score, protocol, 100, Badge.MEASURED, "here")
        )
        for key, protocol, score in zip(MODELS, protocols, hard, strict=True)
    }
    return replace(counted, models=models)


def test_counts_are_exact_gains(counted):
    found = findings(counted)

    assert [finding.direction for finding in found[:3]] == [Direction.GAIN] * 3
    assert found[0].sentence == "57 % fewer parameters: 256,156 instead of 592,371"
    assert found[2].sentence == "50 % fewer bytes on disk: 1.20 MB instead of 2.40 MB"


def test_what_was_not_measured_stays_open(counted):
    assert [finding.direction for finding in findings(counted)[LATENCY:]] == [Direction.OPEN] * 2


@pytest.mark.parametrize(
    ("first", "second", "direction"),
    [
        pytest.param((20.0, 20.2), 10.0, Direction.GAIN, id="twice as fast"),
        pytest.param((10.0, 10.1), 20.0, Direction.LOSS, id="twice as slow"),
        pytest.param((5.0, 20.0), 12.0, Direction.EVEN, id="the interval of the speed-up holds 1"),
    ],
)
def test_speed_counts_only_beyond_its_interval(counted, first, second, direction):
    assert findings(timed(counted, *first, second=second))[LATENCY].direction is direction


@pytest.mark.parametrize(
    ("protocols", "hard", "direction"),
    [
        pytest.param(("a", "a"), (0.8, 0.7), Direction.LOSS, id="lower"),
        pytest.param(("a", "a"), (0.7, 0.8), Direction.GAIN, id="higher"),
        pytest.param(("a", "a"), (0.8, 0.79), Direction.EVEN, id="too little to speak of"),
        pytest.param(("a", "b"), (0.8, 0.7), Direction.OPEN, id="other protocols do not compare"),
    ],
)
def test_precision_compares_only_by_one_protocol(counted, protocols, hard, direction):
    assert findings(scored(counted, protocols, hard))[PRECISION].direction is direction
