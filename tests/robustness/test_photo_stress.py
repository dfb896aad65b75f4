"""Recall of the agreed faces under corruption, with stand-ins for the models."""

from __future__ import annotations

import math

import numpy as np
import pytest

from featherface.detection.boxes import iou_matrix
from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.robustness.corruptions import CORRUPTIONS
from featherface.robustness.photo_stress import (
    ALL_SEVERITIES,
    Detect,
    PhotoStress,
    agreed_faces,
    at_input_size,
    stress_photo,
)

LEFTS = (20, 120, 220)


def faces(*lefts: float, shift: float = 0.0) -> Detections:
    boxes = np.array([[left + shift, 40, left + shift + 60, 100] for left in lefts], np.float32)
    boxes = boxes.reshape(-1, 4)
    centres = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    return Detections(boxes, np.linspace(0.9, 0.8, len(lefts), dtype=np.float32), np.tile(centres, (1, 5, 1)))


def photo(width: int = 320, height: int = 160) -> Photo:
    coarse = np.random.default_rng(0).integers(60, 200, (height // 8, width // 8, 3), np.uint8)
    return Photo(np.kron(coarse, np.ones((8, 8, 1), np.uint8)))


def loses_one_face_per_severity(start: int) -> Detect:
    """A model that finds every face in its first `start` calls, then one fewer per call."""
    calls = iter(range(100))
    return lambda _photo: faces(*LEFTS[: max(0, len(LEFTS) - max(0, next(calls) - start + 1))])


def run(first: Detect, second: Detect, corruption: str = "gaussian_noise") -> PhotoStress:
    steps = stress_photo(photo(), CORRUPTIONS[corruption], {"first": first, "second": second})
    return PhotoStress(tuple(steps))


def test_recall_falls_and_the_weaker_model_breaks_first() -> None:
    stress = run(loses_one_face_per_severity(2), loses_one_face_per_severity(4))
    assert [step.severity for step in stress.steps] == list(ALL_SEVERITIES)
    assert stress.faces == 3
    assert [step.matched["first"] for step in stress.steps] == [3, 3, 2, 1, 0, 0]
    assert [step.matched["second"] for step in stress.steps] == [3, 3, 3, 3, 2, 1]
    assert (stress.breaks_at("first"), stress.breaks_at("second")) == (3, 5)


def test_two_models_can_break_together_or_not_at_all() -> None:
    both = run(loses_one_face_per_severity(1), loses_one_face_per_severity(1))
    assert both.breaks_at("first") == both.breaks_at("second") == 2
    none = run(lambda _: faces(*LEFTS), lambda _: faces(*LEFTS))
    assert none.breaks_at("first") is None


def test_recall_of_exactly_one_half_is_not_broken() -> None:
    calls = iter(range(10))
    stress = run(lambda _: faces(20, 120)[: 2 if next(calls) == 0 else 1], lambda _: faces(20, 120))
    assert stress.steps[1].recall("first") == 0.5
    assert stress.breaks_at("first") is None


def test_only_agreed_faces_count_and_each_once() -> None:
    twice = faces(20, 20)
    stress = run(lambda _: twice, lambda _: faces(20, 220))
    assert stress.faces == 1
    assert [step.matched for step in stress.steps] == [{"first": 1, "second": 1}] * 6
    assert stress.steps[0].other_boxes("first") == 1


def test_without_agreed_faces_recall_is_undefined_and_nothing_breaks() -> None:
    stress = run(lambda _: faces(20), lambda _: faces(220))
    assert stress.faces == 0
    assert math.isnan(stress.steps[3].recall("first"))


def test_agreed_faces_favour_neither_model() -> None:
    both = agreed_faces(faces(20, shift=-4), faces(20, 220, shift=4))
    assert both.boxes.tolist() == faces(20).boxes.tolist()


def test_truth_turns_with_the_photo() -> None:
    turned = {}
    stress = run(
        lambda shown: turned.setdefault(shown.width, faces(*LEFTS)), lambda _: faces(*LEFTS), "rotation"
    )
    assert set(turned) >= {320, 160}  # clean, and turned by 90 degrees
    clean, right_angle = stress.steps[0].truth, stress.steps[5].truth
    assert (right_angle.boxes[:, 2:] - right_angle.boxes[:, :2]).ravel() == pytest.approx(60, abs=0.01)
    assert np.diag(iou_matrix(clean.boxes, right_angle.boxes)).max() < 0.5
    assert stress.breaks_at("first") is not None


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(320, 160, (640, 320)), (640, 320, (640, 320)), (1280, 400, (640, 200))],
    ids=["enlarged", "as it is", "shrunk"],
)
def test_the_photo_gets_the_input_size(width: int, height: int, size: tuple[int, int]) -> None:
    scaled = at_input_size(photo(width, height), 640)
    assert (scaled.width, scaled.height) == size
