"""Two models on the same images: what is significant, what has no interval, and the file that keeps it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featherface.evaluation.average_precision import evaluate
from featherface.evaluation.ground_truth import Faces, GroundTruth, Subset
from featherface.evaluation.paired_bootstrap import (
    ComparisonError,
    SavedComparison,
    compare_precision,
    difference_text,
    load_comparisons,
    save_comparisons,
)
from featherface.evaluation.predictions import Prediction

FACE = np.array([[10.0, 10.0, 30.0, 30.0]])
NOTHING = np.zeros((0, 4))


def truth(images: int) -> GroundTruth:
    counted = {"all": np.array([True]), "none": np.array([False])}
    return GroundTruth(
        "test",
        (Subset("all"), Subset("none")),
        {str(number): Faces(FACE, counted) for number in range(images)},
    )


def found_in(images: int, found: set[int]) -> list[Prediction]:
    """Predictions of `images` images: the one face of each, where `found` names the image."""
    boxes = [FACE if number in found else NOTHING for number in range(images)]
    return [Prediction(str(number), box, np.full(len(box), 0.9)) for number, box in enumerate(boxes)]


def test_equal_predictions_differ_by_exactly_nothing():
    half = found_in(40, set(range(20)))
    reordered = half[::-1]  # the order of the images does not matter
    found = compare_precision(half, reordered, truth(40)).subsets["all"]

    assert (found.difference, found.interval, found.ratio_interval) == (0, (0, 0), (1, 1))
    assert not found.significant


def test_a_difference_that_separate_intervals_hide_is_significant_when_paired():
    few, more = found_in(60, set(range(30))), found_in(60, set(range(40)))  # ten images decide
    found = compare_precision(few, more, truth(60)).subsets["all"]
    apart = [evaluate(one, truth(60)).curves["all"].interval for one in (few, more)]

    assert apart[0][1] > apart[1][0]  # each on its own, the two intervals overlap
    assert found.significant
    assert 0 < found.interval[0] < found.difference < found.interval[1]
    assert found.interval == pytest.approx((5 / 60, 16 / 60), abs=2 / 60)  # binomial: n = 60, p = 1/6


def test_a_subset_with_too_few_images_says_so_and_so_does_the_mean():
    found = compare_precision(found_in(9, {1}), found_in(9, {1, 2}), truth(9))

    assert found.subsets["all"].interval is None
    assert found.subsets["all"].no_interval == "Only 9 images with faces; an interval needs 10."
    assert found.mean.no_interval
    assert not found.mean.significant


def test_different_images_do_not_compare():
    with pytest.raises(ComparisonError, match="different images"):
        compare_precision(found_in(3, set()), found_in(2, set()), truth(3))


@settings(max_examples=5)
@given(st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29)))
def test_swapping_the_models_mirrors_the_interval(one, other):
    there = compare_precision(found_in(30, one), found_in(30, other), truth(30)).subsets["all"]
    back = compare_precision(found_in(30, other), found_in(30, one), truth(30)).subsets["all"]

    assert there.difference == -back.difference
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))


def saved(images: int = 30) -> SavedComparison:
    comparison = compare_precision(found_in(images, {1, 2}), found_in(images, {1}), truth(images))
    date = "2026-01-01T00:00:00+00:00"
    return SavedComparison(
        ("v1", "v2"),
        ("one", "two"),
        "val",
        "original",
        640,
        date,
        used_for_selection=True,
        comparison=comparison,
    )


def test_a_comparison_survives_the_way_to_a_file_and_back(tmp_path):
    file = tmp_path / "comparison.json"
    save_comparisons(file, [saved()])
    (loaded,) = load_comparisons(file)

    assert loaded.comparison.subsets["all"] == saved().comparison.subsets["all"]
    assert (loaded.models, loaded.used_for_selection) == (("v1", "v2"), True)
    assert np.isnan(loaded.comparison.subsets["none"].first)
    assert loaded.comparison.subsets["none"].no_interval == "No face counts in this subset."
    assert "NaN" not in file.read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"models": ["v1"]},
        {"date": "yesterday"},
        {"used_for_selection": 1},
        {"images": -1},
        {"subsets": []},
        {"mean": {"first": 2}},
        {"mean": None},
    ],
)
def test_a_damaged_file_is_named(tmp_path, change):
    file = tmp_path / "comparison.json"
    save_comparisons(file, [saved()])
    document = json.loads(file.read_text())
    document["comparisons"][0] |= change
    file.write_text(json.dumps(document))

    with pytest.raises(ComparisonError, match=r"comparison\.json is not a readable"):
        load_comparisons(file)


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        pytest.param(-0.0142, "-0.014", id="three decimals"),
        pytest.param(0.0004, "+0.0004", id="a fourth where three would hide the sign"),
        pytest.param(-0.0003, "-0.0003", id="also below zero"),
        pytest.param(-0.00004, "0.000", id="too small to matter"),
        pytest.param(0.0, "0.000", id="zero has no sign"),
    ],
)
def test_a_difference_shows_its_sign_unless_it_is_zero(difference, text):
    assert difference_text(difference) == text
