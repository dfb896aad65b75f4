"""The official protocol: its reference numbers, its rules one by one, and the laws of average precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from featherface.evaluation.average_precision import average_precision, evaluate
from featherface.evaluation.ground_truth import (
    Faces,
    GroundTruth,
    GroundTruthError,
    Subset,
    wider_ground_truth,
)
from featherface.evaluation.predictions import Prediction, read_predictions

REFERENCE = {"easy": 0.9225089766693142, "medium": 0.943279029830094, "hard": 0.8038482537420935}
FACE = (10.0, 10.0, 30.0, 30.0)
OTHER_FACE = (60.0, 10.0, 80.0, 30.0)
ELSEWHERE = (200.0, 200.0, 220.0, 220.0)


@pytest.fixture(scope="module")
def made_up(shared: Path) -> list[Prediction]:
    """The reference's made-up predictions of all 3,226 validation images."""
    packed = np.load(shared / "reference" / "wider_predictions.npz")
    rows = packed["boxes"].astype(np.float64)  # x y w h score
    rows[:, 2:4] += rows[:, :2]
    images = np.split(rows, np.cumsum(packed["counts"])[:-1])
    return [
        Prediction(f"{name}.jpg", boxes[:, :4], boxes[:, 4])
        for name, boxes in zip(packed["names"], images, strict=True)
    ]


@pytest.fixture(scope="module")
def wider(shared: Path) -> GroundTruth:
    return wider_ground_truth(shared / "reference" / "wider_ground_truth")


def test_made_up_predictions_give_the_reference_numbers(made_up, wider):
    evaluation = evaluate(made_up, wider)
    assert evaluation.scores() == pytest.approx(REFERENCE, abs=1e-6)
    assert evaluation.images == 3226


def test_a_predictions_file_gives_the_same_numbers(made_up, wider, tmp_path):
    file = tmp_path / "predictions.jsonl"
    file.write_text("".join(prediction.to_line() for prediction in made_up))
    assert evaluate(read_predictions(file), wider).scores() == pytest.approx(REFERENCE, abs=1e-6)


def test_a_part_of_the_pictures_is_scored_on_its_own_faces(made_up, wider):
    part = made_up[::10]
    evaluation = evaluate(part, wider)
    faces = sum(wider.images[prediction.image].counted["hard"].sum() for prediction in part)
    assert (evaluation.images, evaluation.curves["hard"].faces) == (323, faces)


def test_a_file_of_something_else_is_no_ground_truth(tmp_path):
    savemat(tmp_path / "wider_face_val.mat", {"event_list": np.zeros(1)})
    with pytest.raises(GroundTruthError, match=r"wider_face_val\.mat is not the official ground truth"):
        wider_ground_truth(tmp_path)


def one_picture(*boxes: tuple[float, ...], counted: list[bool] | None = None) -> GroundTruth:
    counted = [True] * len(boxes) if counted is None else counted
    faces = Faces(np.array(boxes).reshape(-1, 4), {"all": np.array(counted, bool)})
    return GroundTruth("test", (Subset("all"),), {"a.jpg": faces})


def score(ground_truth: GroundTruth, *scored: tuple[tuple[float, ...], float]) -> float:
    boxes = np.array([box for box, _ in scored]).reshape(-1, 4)
    prediction = Prediction("a.jpg", boxes, np.array([score for _, score in scored]))
    return evaluate([prediction], ground_truth).scores()["all"]


@pytest.mark.parametrize(
    ("ground_truth", "scored", "expected", "why"),
    [
        (one_picture(FACE), [(FACE, 0.9)], 1.0, "a perfect answer"),
        (one_picture(FACE, OTHER_FACE), [(FACE, 0.9)], 0.5, "a missed face"),
        (one_picture(FACE), [], 0.0, "nothing predicted"),
        (one_picture(FACE), [(ELSEWHERE, 0.9), (FACE, 0.5)], 0.5, "a false alarm before the face"),
        (one_picture(FACE), [(FACE, 0.9), (ELSEWHERE, 0.5)], 1.0, "a false alarm after every face"),
        (
            one_picture(FACE, OTHER_FACE),
            [(FACE, 0.9), (FACE, 0.8), (OTHER_FACE, 0.5)],
            0.5 + 0.5 * 2 / 3,
            "a second box on a face is a false alarm",
        ),
        (
            one_picture(FACE, OTHER_FACE, counted=[True, False]),
            [(OTHER_FACE, 0.9), (OTHER_FACE, 0.8), (FACE, 0.5)],
            1.0,
            "boxes on an ignored face are no false alarms",
        ),
        (
            one_picture((0, 0, 0, 1)),
            [((0, 0, 0, 3), 0.9)],
            1.0,
            "pixels count inclusively: 2 of 4 pixels are an IoU of 0.5 where 1 of 3 is not",
        ),
    ],
)
def test_rules_of_the_protocol(ground_truth, scored, expected, why):
    assert score(ground_truth, *scored) == pytest.approx(expected), why


def test_no_counted_face_has_no_score():
    assert np.isnan(score(one_picture(FACE, counted=[False]), (FACE, 0.9)))


def test_false_alarms_outside_a_band_of_heights_do_not_count():
    faces = Faces(np.array([FACE]), {"small": np.array([True])})
    ground_truth = GroundTruth("test", (Subset("small", 0, 32),), {"a.jpg": faces})
    prediction = Prediction("a.jpg", np.array([(0, 100, 90, 190), FACE]), np.array([0.9, 0.5]))
    assert evaluate([prediction], ground_truth).scores() == {"small": 1.0}


def test_the_interval_says_how_much_hangs_on_the_pictures():
    faces = {f"{name}.jpg": Faces(np.array([FACE]), {"all": np.array([True])}) for name in "abcdefgh"}
    truth = GroundTruth("test", (Subset("all"),), faces)
    every = [Prediction(name, np.array([FACE]), np.array([0.9])) for name in faces]
    assert evaluate(every, truth).curves["all"].interval == (1.0, 1.0)

    half = every[:4] + [Prediction(name, np.zeros((0, 4)), np.zeros(0)) for name in list(faces)[4:]]
    curve = evaluate(half, truth).curves["all"]
    # of eight images, one half found: 2.5 % of the binomial lie at or below 1, and at or above 7
    assert (curve.average_precision, curve.interval) == (0.5, pytest.approx((1 / 8, 7 / 8)))


def test_an_unknown_picture_is_named():
    with pytest.raises(GroundTruthError, match=r"no image b\.jpg"):
        evaluate([Prediction("b.jpg", np.zeros((0, 4)), np.zeros(0))], one_picture(FACE))


@given(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=30), st.data())
@settings(deadline=None)
def test_scores_may_be_rescaled(scores, data):
    """The protocol normalises scores, so a positive scale and a shift change nothing."""
    on_face = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    boxes = [FACE if hit else ELSEWHERE for hit in on_face]
    ground_truth = one_picture(FACE)
    quarters = [round(score * 64) / 64 for score in scores]  # exact in binary, so that ties stay ties
    plain = score(ground_truth, *zip(boxes, quarters, strict=True))
    scaled = score(ground_truth, *((box, 4 * value + 1) for box, value in zip(boxes, quarters, strict=True)))
    assert scaled == plain


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.data())
@settings(deadline=None)
def test_average_precision_lies_between_zero_and_the_recall_reached(precision, data):
    recall = data.draw(st.lists(st.floats(0, 1), min_size=len(precision), max_size=len(precision)))
    area = average_precision(np.array(precision), np.sort(recall))
    assert 0 <= area <= max(recall) + 1e-12
