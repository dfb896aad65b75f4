"""The robustness charts draw the numbers they are given, for any registered model."""

from __future__ import annotations

import numpy as np
import pytest

from featherface.detection.detections import Detections
from featherface.models import MODELS
from featherface.reporting.figures.robustness_figures import corruption_bars, recall_lines
from featherface.robustness.photo_stress import PhotoStress, SeverityResult
from tests.third_model import register_third_model


def faces(count: int) -> Detections:
    boxes = np.tile(np.array([0, 0, 10, 10], np.float32), (count, 1))
    return Detections(boxes, np.ones(count, np.float32), np.zeros((count, 5, 2), np.float32))


def test_recall_is_drawn_in_percent_with_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    third = register_third_model(monkeypatch)
    found = {"v1": faces(4), third.key: faces(3)}
    steps = (
        SeverityResult(0, faces(4), found, {"v1": 4, third.key: 3}),
        SeverityResult(1, faces(4), found, {"v1": 1, third.key: 2}),
    )
    figure = recall_lines(PhotoStress(steps), ["v1", third.key], 1)
    assert [line.name for line in figure.data] == [MODELS["v1"].name, third.name]
    assert [list(line.y) for line in figure.data] == [[100, 25], [75, 50]]
    assert [list(point) for point in figure.data[0].customdata] == [[4, 4, 0], [1, 4, 3]]
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text
    assert {(shape.x0, shape.y0) for shape in figure.layout.shapes} == {(0, 50), (1, 0)}


def test_bars_are_one_group_per_corruption() -> None:
    figure = corruption_bars({"v1": {"Clean": 0.9, "JPEG": 0.5}, "v2": {"Clean": 0.8, "JPEG": 0.4}})
    assert [list(bars.y) for bars in figure.data] == [[0.9, 0.5], [0.8, 0.4]]
    assert figure.layout.barmode == "group"
