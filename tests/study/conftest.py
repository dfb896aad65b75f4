"""Measurements made up for the study's tests: counted once, then timed and scored as a test needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from featherface.evaluation.paired_bootstrap import Difference, PrecisionComparison
from featherface.models import MODELS
from featherface.profiling.complexity import cost
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import now, this_machine
from featherface.profiling.quantisation import quantised_size, stored_bytes
from featherface.study.measurements import STUDY_MODELS, Accuracy, Measurements, ModelMeasurements
from featherface.study.provenance import Badge

Scored = Callable[..., Measurements]


@pytest.fixture(scope="session")
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {key: MODELS[key].builder().eval() for key in STUDY_MODELS}


@pytest.fixture(scope="session")
def counted(networks) -> Measurements:
    """What is known without timing or scoring."""
    models = {
        key: ModelMeasurements(cost(key, 640), stored_bytes(network), quantised_size(network), "seeded")
        for key, network in networks.items()
    }
    return Measurements(now(), this_machine(), models)


def timed(measurements: Measurements, ratio: float, *, spread: float = 0.0, runs: int = 20) -> Measurements:
    """V1 takes `ratio` times as long as V2, give or take `spread` in turns, in 20 of `runs` rounds."""
    fast = [10.0 + 0.01 * number for number in range(20)]
    slow = [ratio * time * (1 + spread * (-1) ** number) for number, time in enumerate(fast)]
    milliseconds = {"v1": {"network": tuple(slow)}, "v2": {"network": tuple(fast)}}
    settings = LatencySettings(runs=runs)
    latency = LatencyResult(settings, this_machine(), now(), milliseconds, 1.0, complete=runs == 20)
    return replace(measurements, latency=latency)


def scored(
    measurements: Measurements,
    hard: tuple[float, float],
    *,
    margin: float = 0.005,
    protocols: tuple[str, str] = ("WIDER FACE", "WIDER FACE"),
    used_for_selection: bool = False,
) -> Measurements:
    """Average precision `hard` of V1 and V2 beside equal easy and medium, in intervals of +- `margin`."""
    models = {
        key: replace(
            measurements.models[key],
            accuracy=Accuracy(
                0.93,
                0.91,
                score,
                protocol,
                3226,
                Badge.MEASURED,
                "test",
                ((1.84 + score) / 3 - margin, (1.84 + score) / 3 + margin),
                used_for_selection,
            ),
        )
        for key, score, protocol in zip(STUDY_MODELS, hard, protocols, strict=True)
    }
    means = tuple((1.84 + score) / 3 for score in hard)
    comparison = PrecisionComparison(
        "WIDER FACE", 3226, {"hard": _difference(*hard, margin)}, _difference(means[0], means[1], margin)
    )
    same = protocols[0] == protocols[1]
    return replace(measurements, models=models, comparison=comparison if same else None)


def _difference(first: float, second: float, margin: float) -> Difference:
    gap, ratio = second - first, second / first
    return Difference(first, second, (gap - margin, gap + margin), (ratio - margin, ratio + margin))
