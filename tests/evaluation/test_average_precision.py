"""The official protocol: its reference numbers, its rules one by one, and the laws of average precision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from featherface.evaluation.average_precision import (
    ImageCounts,
    average_precision,
    bootstrap_interval,
    evaluate,
)
from featherface.evaluation.ground_truth import (
    Faces,
    GroundTruth,
    GroundTruthError,
    Subset,
    wider_ground_truth,
)
from featherface.evaluation.predictions import Prediction, read_predictions
from tests.evaluation.plain_evaluator import evaluate_plainly

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


def test_twenty_made_up_images_give_the_numbers_of_the_plain_evaluator():
    golden = json.loads((Path(__file__).parents[1] / "goldens" / "wider_small.json").read_text())
    subsets = tuple(map(Subset, golden["scores"]))
    truth = {
        image["image"]: Faces(
            np.array(image["faces"], np.float64),
            {subset.name: np.array(image[subset.name], bool) for subset in subsets},
        )
        for image in golden["images"]
    }
    predictions = [
        Prediction(image["image"], np.array(image["boxes"]).reshape(-1, 4), np.array(image["scores"]))
        for image in golden["images"]
    ]

    evaluation = evaluate(predictions, GroundTruth("WIDER FACE", subsets, truth))
    assert evaluation.scores() == pytest.approx(golden["scores"], abs=1e-12)
    assert golden["scores"] == pytest.approx(
        {subset: evaluate_plainly(golden["images"], subset) for subset in ("easy", "medium", "hard")}
    )


def test_a_file_of_made_up_predictions_gives_the_reference_numbers(made_up, wider, tmp_path):
    file = tmp_path / "predictions.jsonl"
    file.write_text("".join(prediction.to_line() for prediction in made_up))
    evaluation = evaluate(read_predictions(file), wider)
    assert evaluation.scores() == pytest.approx(REFERENCE, abs=1e-6)
    assert evaluation.images == 3226


def test_a_part_of_the_images_is_scored_on_its_own_faces(made_up, wider):
    part = made_up[::10]
    evaluation = evaluate(part, wider)
    faces = sum(wider.images[prediction.image].counted["hard"].sum() for prediction in part)
    assert (evaluation.images, evaluation.curves["hard"].faces) == (323, faces)


def test_a_file_of_something_else_is_no_ground_truth(tmp_path):
    savemat(tmp_path / "wider_face_val.mat", {"event_list": np.zeros(1)})
    with pytest.raises(GroundTruthError, match=r"wider_face_val\.mat is not the official ground truth"):
        wider_ground_truth(tmp_path)


def one_image(*boxes: tuple[float, ...], counted: list[bool] | None = None) -> GroundTruth:
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
        (one_image(FACE), [(FACE, 0.9)], 1.0, "a perfect answer"),
        (one_image(FACE, OTHER_FACE), [(FACE, 0.9)], 0.5, "a missed face"),
        (one_image(FACE), [], 0.0, "nothing predicted"),
        (one_image(FACE), [(ELSEWHERE, 0.9), (FACE, 0.5)], 0.5, "a false positive before the face"),
        (one_image(FACE), [(FACE, 0.9), (ELSEWHERE, 0.5)], 1.0, "a false positive after every face"),
        (
            one_image(FACE, OTHER_FACE),
            [(FACE, 0.9), (FACE, 0.8), (OTHER_FACE, 0.5)],
            0.5 + 0.5 * 2 / 3,
            "a second box on a face is a false positive",
        ),
        (
            one_image(FACE, OTHER_FACE, counted=[True, False]),
            [(OTHER_FACE, 0.9), (OTHER_FACE, 0.8), (FACE, 0.5)],
            1.0,
            "boxes on an ignored face are not false positives",
        ),
        (
            one_image((0, 0, 0, 1)),
            [((0, 0, 0, 3), 0.9)],
            1.0,
            "pixels count inclusively: 2 of 4 pixels are an IoU of 0.5 where 1 of 3 is not",
        ),
    ],
)
def test_rules_of_the_protocol(ground_truth, scored, expected, why):
    assert score(ground_truth, *scored) == pytest.approx(expected), why


def test_no_counted_face_has_no_score():
    assert np.isnan(score(one_image(FACE, counted=[False]), (FACE, 0.9)))


def test_false_positives_outside_a_band_of_heights_do_not_count():
    faces = Faces(np.array([FACE]), {"small": np.array([True])})
    ground_truth = GroundTruth("test", (Subset("small", 0, 32),), {"a.jpg": faces})
    prediction = Prediction("a.jpg", np.array([(0, 100, 90, 190), FACE]), np.array([0.9, 0.5]))
    assert evaluate([prediction], ground_truth).scores() == {"small": 1.0}


def images_with_one_face(count: int, found: int) -> tuple[list[Prediction], GroundTruth]:
    """`count` images with one face each, which is found in the first `found`."""
    names = [f"{number}.jpg" for number in range(count)]
    faces = Faces(np.array([FACE]), {"all": np.array([True])})
    boxes = [np.array([FACE])] * found + [np.zeros((0, 4))] * (count - found)
    predictions = [
        Prediction(name, box, np.full(len(box), 0.9)) for name, box in zip(names, boxes, strict=True)
    ]
    return predictions, GroundTruth("test", (Subset("all"),), dict.fromkeys(names, faces))


def test_the_interval_is_that_of_resampled_images():
    assert evaluate(*images_with_one_face(16, 16)).curves["all"].interval == (1.0, 1.0)

    half = evaluate(*images_with_one_face(16, 8))
    # the score of a resample is the share of images with the face found: binomial, n = 16, p = 1/2
    assert half.curves["all"].average_precision == 0.5
    assert half.curves["all"].interval == pytest.approx((4 / 16, 12 / 16))
    assert half.mean_interval == half.curves["all"].interval  # of one subset


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (9, "Only 9 images with faces; an interval needs 10."),
        (1, "Only 1 image with faces; an interval needs 10."),
        (10, ""),
    ],
)
def test_too_few_images_with_faces_give_a_reason_instead_of_an_interval(images, reason):
    evaluation = evaluate(*images_with_one_face(images, images))
    curve = evaluation.curves["all"]
    assert (curve.interval is None, curve.no_interval) == (bool(reason), reason)
    assert (evaluation.mean_interval is None) == bool(reason)


def test_a_resample_without_a_face_is_left_out():
    counts = np.array([[1.0], [0.0]])  # of one image with its face found, and one image without a face
    scores = ImageCounts(counts, counts, counts[:, 0], np.array([0.5])).average_precision(
        np.array([[1.0, 1.0], [0.0, 2.0]])
    )
    np.testing.assert_equal(scores, [1.0, np.nan])
    assert bootstrap_interval(scores) == (1.0, 1.0)  # an undefined score counted as 0 would lower it


def test_an_unknown_image_is_named():
    with pytest.raises(GroundTruthError, match=r"no image b\.jpg"):
        evaluate([Prediction("b.jpg", np.zeros((0, 4)), np.zeros(0))], one_image(FACE))


@given(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=30), st.data())
@settings(max_examples=25)
def test_scores_may_be_rescaled(scores, data):
    """The protocol normalises scores, so a positive scale and a shift change nothing."""
    on_face = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    boxes = [FACE if hit else ELSEWHERE for hit in on_face]
    ground_truth = one_image(FACE)
    quarters = [round(score * 64) / 64 for score in scores]  # exact in binary, so that ties stay ties
    plain = score(ground_truth, *zip(boxes, quarters, strict=True))
    scaled = score(ground_truth, *((box, 4 * value + 1) for box, value in zip(boxes, quarters, strict=True)))
    assert scaled == plain


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.data())
def test_average_precision_lies_between_zero_and_the_recall_reached(precision, data):
    recall = data.draw(st.lists(st.floats(0, 1), min_size=len(precision), max_size=len(precision)))
    area = average_precision(np.array(precision), np.sort(recall))
    assert 0 <= area <= max(recall) + 1e-12
