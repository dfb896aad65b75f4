"""Data for figures, tables and the report: small, made up, and of as many models as a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.evaluation.curves import SavedCurves
from featherface.profiling.latency import STAGES, LatencyResult, LatencySettings
from featherface.profiling.machine import Machine

MACHINE = Machine("Processor", 2, 1, 2**33, "System", "3.11", "2.13")
WHEN = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def machine() -> Machine:
    return MACHINE


@pytest.fixture
def timed() -> Callable[..., LatencyResult]:
    """A function from median milliseconds by model to a benchmark of ten rounds of all stages."""

    def result(size: int = 640, **medians: float) -> LatencyResult:
        rounds = np.linspace(0.9, 1.1, 10)
        milliseconds = {
            key: {stage: tuple((rounds * median / len(STAGES)).tolist()) for stage in STAGES}
            for key, median in medians.items()
        }
        settings = LatencySettings(size, size, runs=10, warmup=0)
        return LatencyResult(settings, MACHINE, WHEN, milliseconds, 1.0, complete=True)

    return result


@pytest.fixture
def curve() -> Callable[..., Curve]:
    """A function that makes a falling precision-recall curve of ten faces."""

    def made(
        average_precision: float = 0.5,
        interval: tuple[float, float] | None = (0.4, 0.6),
        no_interval: str = "",
    ) -> Curve:
        axis = np.linspace(0, 1, 1000)
        return Curve(1 - axis, axis, 1 - axis, 10, average_precision, interval, no_interval)

    return made


@pytest.fixture
def saved(curve: Callable[..., Curve]) -> Callable[..., SavedCurves]:
    """A function that makes one model's evaluation on the subsets given."""

    def made(
        model: str,
        subsets: Sequence[str] = ("easy", "medium", "hard"),
        images: int = 100,
        image_set: str = "set",
    ) -> SavedCurves:
        evaluation = Evaluation("protocol", images, {name: curve() for name in subsets})
        return SavedCurves(model, "0" * 64, image_set, "original", 640, WHEN, {}, evaluation)

    return made
