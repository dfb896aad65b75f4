from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featherface.detection.agreement import agreement, agreement_curve
from featherface.detection.boxes import iou_matrix
from featherface.detection.detections import Detections
from featherface.detection.postprocess import select

Faces = Callable[..., Detections]


def test_pairs_and_leftovers(faces: Faces) -> None:
    first = faces((0, 0, 10, 10), (50, 50, 60, 60), (100, 0, 120, 20))
    second = faces((200, 0, 220, 20), (102, 0, 122, 20), (0, 0, 10, 10))
    result = agreement(first, second)
    assert result.pairs.tolist() == [[0, 2], [2, 1]]
    assert result.only_first.tolist() == [1]
    assert result.only_second.tolist() == [0]
    assert result.iou == pytest.approx([1, 360 / 440])
    assert result.score_difference == pytest.approx([0.4, -0.2])
    assert result.landmark_distance == pytest.approx([0, 2])
    assert result.relative_landmark_distance == pytest.approx([0, 0.1])
    assert (result.both, result.share) == (2, 0.5)


def test_one_to_one_is_the_best_for_all_not_the_first_come(faces: Faces) -> None:
    # the first face overlaps both others, a little more the one that the second face needs
    first = faces((0, 0, 10, 10), (3, 0, 13, 10))
    second = faces((2, 0, 12, 10), (-3, 0, 7, 10))
    assert agreement(first, second).pairs.tolist() == [[0, 1], [1, 0]]


def test_boxes_below_the_threshold_never_pair(faces: Faces) -> None:
    first, second = faces((0, 0, 10, 10)), faces((5, 0, 15, 10))
    assert agreement(first, second, iou=0.5).both == 0
    assert agreement(first, second, iou=0.3).both == 1


def test_two_results_without_faces_agree(faces: Faces) -> None:
    assert agreement(Detections.empty(), Detections.empty()).share == 1
    one_sided = agreement(faces((0, 0, 9, 9)), Detections.empty())
    assert (one_sided.share, one_sided.only_first.tolist()) == (0, [0])


def crowd(seed: int, count: int) -> Detections:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 60, (count, 2))
    boxes = np.hstack((corners, corners + random.uniform(4, 20, (count, 2)))).astype(np.float32)
    scores = np.sort(random.uniform(0.02, 1, count))[::-1].astype(np.float32)
    return Detections(boxes, scores, random.uniform(0, 60, (count, 5, 2)).astype(np.float32))


SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, SEEDS, st.floats(0.05, 0.95))
@settings(max_examples=50)
def test_laws_of_matching(seed_a: int, seed_b: int, iou: float) -> None:
    first, second = crowd(seed_a, 30), crowd(seed_b, 25)
    result, mirrored = agreement(first, second, iou), agreement(second, first, iou)
    overlaps = iou_matrix(first.boxes, second.boxes)
    rows, columns = result.pairs.T
    assert len(set(rows)) == len(set(columns)) == result.both
    assert (overlaps[rows, columns] >= iou).all()
    assert sorted([*rows, *result.only_first]) == list(range(30))
    assert sorted([*columns, *result.only_second]) == list(range(25))
    assert not (overlaps[np.ix_(result.only_first, result.only_second)] >= iou).any()
    assert mirrored.iou.sum() == pytest.approx(result.iou.sum(), abs=1e-4)
    assert agreement(first, first, iou).share == 1


@given(SEEDS, SEEDS)
@settings(max_examples=15)
def test_curve_is_select_and_agreement_at_every_confidence(seed_a: int, seed_b: int) -> None:
    candidates = crowd(seed_a, 60), crowd(seed_b, 60)
    confidences = np.linspace(0.02, 0.99, 7)
    curve = agreement_curve(*(select(faces, 0.02, 0.4) for faces in candidates), confidences)
    for index, confidence in enumerate(confidences):
        first, second = (select(faces, confidence, 0.4) for faces in candidates)
        assert (curve.first[index], curve.second[index]) == (len(first), len(second))
        direct = agreement(first, second)
        assert (curve.both[index], curve.share[index]) == (direct.both, direct.share)
