from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featherface.config import CANDIDATE_FLOOR, MAX_CANDIDATES
from featherface.detection.anchors import anchors
from featherface.detection.detections import Detections
from featherface.detection.postprocess import decode_candidates, select

GOLDENS = Path(__file__).resolve().parents[1] / "goldens"


def study_ious(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU as the study has it: pixels are counted inclusively, from x1 to x2 are x2 - x1 + 1."""
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0]) + 1
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1]) + 1
    shared = np.maximum(0, width) * np.maximum(0, height)
    area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    areas = (others[:, 2] - others[:, 0] + 1) * (others[:, 3] - others[:, 1] + 1)
    return shared / (area + areas - shared)


def study_nms(boxes: np.ndarray, threshold: float) -> list[int]:
    """Greedy NMS of boxes that come best first."""
    kept, order = [], np.arange(len(boxes))
    while len(order):
        kept.append(int(order[0]))
        order = order[1:][study_ious(boxes[order[0]], boxes[order[1:]]) <= threshold]
    return kept


def crowd(seed: int, count: int) -> Detections:
    """Random faces, small and near enough to overlap in every degree."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 40, (count, 2))
    boxes = np.hstack((corners, corners + random.uniform(0.5, 25, (count, 2)))).astype(np.float32)
    scores = np.sort(random.uniform(CANDIDATE_FLOOR, 1, count))[::-1].astype(np.float32)
    return Detections(boxes, scores, random.uniform(0, 60, (count, 5, 2)).astype(np.float32))


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.1, 0.9))
@settings(max_examples=150)
def test_select_is_the_pixel_inclusive_nms_of_the_study(seed: int, count: int, threshold: float) -> None:
    faces = crowd(seed, count)
    boxes = faces.boxes.astype(np.float64)
    overlaps = np.array([study_ious(box, boxes) for box in boxes])
    assume((np.abs(overlaps - threshold) > 1e-5).all())  # a tie of rounding is nobody's law
    selected = select(faces, CANDIDATE_FLOOR / 2, threshold)
    np.testing.assert_array_equal(selected.boxes, faces.boxes[study_nms(boxes, threshold)])


def test_counting_pixels_inclusively_matters_for_small_faces() -> None:
    # 10 pixels a side, moved by 5: 0.333 as a continuum, but 66 shared of 176 inclusive pixels are 0.375
    pair = Detections(
        np.array([[0, 0, 10, 10], [5, 0, 15, 10]], np.float32),
        np.array([0.9, 0.8], np.float32),
        np.zeros((2, 5, 2), np.float32),
    )
    assert len(select(pair, 0.5, 0.35)) == 1
    assert len(select(pair, 0.5, 0.38)) == 2


@given(st.integers(0, 2**32 - 1), st.floats(CANDIDATE_FLOOR, 0.99))
@settings(max_examples=50)
def test_a_higher_confidence_gives_a_prefix(seed: int, confidence: float) -> None:
    faces = crowd(seed, 50)
    low, high = select(faces, CANDIDATE_FLOOR, 0.4), select(faces, confidence, 0.4)
    np.testing.assert_array_equal(high.boxes, low.boxes[: len(high)])
    assert (high.scores > np.float32(confidence)).all()
    assert (low.scores[len(high) :] <= np.float32(confidence)).all()


def test_top_k_keeps_the_best() -> None:
    faces = crowd(1, 50)
    everything = select(faces, 0.1, 0.4)
    np.testing.assert_array_equal(select(faces, 0.1, 0.4, top_k=3).scores, everything.scores[:3])
    assert len(select(faces, 0.1, 0.4, top_k=10_000)) == len(everything)


def test_nothing_above_the_confidence() -> None:
    assert len(select(crowd(2, 5), 1.0, 0.4)) == 0
    assert len(select(Detections.empty(), 0.5, 0.4)) == 0


def outputs(scores: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = len(anchors(*size))
    face = np.zeros(count, np.float32)
    face[: len(scores)] = scores
    conf = np.stack((1 - face, face), axis=1)
    return np.zeros((count, 4), np.float32), conf, np.zeros((count, 10), np.float32)


def test_candidates_score_above_the_floor_best_first_in_photo_pixels() -> None:
    floor = np.float32(CANDIDATE_FLOOR)
    loc, conf, landm = outputs(np.array([0.3, floor, 0.9, np.nan]), (64, 64))
    candidates = decode_candidates(loc, conf, landm, (64, 64), (128.0, 256.0))
    assert candidates.scores == pytest.approx([0.9, 0.3])
    # the third anchor: second cell of P3, 16 pixels; the photo is 2 x as wide and 4 x as high as the input
    np.testing.assert_allclose(candidates.boxes[0], [8, -16, 40, 48])
    np.testing.assert_allclose(candidates.landmarks[0], [[24, 16]] * 5)
    assert {candidates.boxes.dtype, candidates.scores.dtype, candidates.landmarks.dtype} == {np.dtype("f4")}


def test_faces_of_the_published_v1_are_those_of_the_reference_pipeline() -> None:
    golden = np.load(GOLDENS / "v1_published_candidates.npz")
    loc, conf, landm = outputs(np.zeros(0), (640, 640))
    above_floor = golden["anchors"]
    loc[above_floor], conf[above_floor], landm[above_floor] = golden["loc"], golden["conf"], golden["landm"]
    width, height = golden["photo_size"].tolist()
    candidates = decode_candidates(loc, conf, landm, (640, 640), (width, height))
    assert len(candidates) == len(above_floor) == 952
    faces = select(candidates, CANDIDATE_FLOOR, 0.4)
    np.testing.assert_array_equal(faces.scores, golden["scores"])
    np.testing.assert_allclose(faces.boxes, golden["boxes"], atol=1e-3)
    np.testing.assert_allclose(faces.landmarks, golden["landmarks"].reshape(-1, 5, 2), atol=1e-3)


def test_candidates_are_bounded_and_finite() -> None:
    size = (512, 512)
    scores = np.linspace(0.99, 0.5, len(anchors(*size)))
    loc, conf, landm = outputs(scores, size)
    loc[0, 2] = 1e4  # exp overflows
    candidates = decode_candidates(loc, conf, landm, size, (512.0, 512.0))
    assert len(candidates) == MAX_CANDIDATES - 1
    assert np.isfinite(candidates.boxes).all()
