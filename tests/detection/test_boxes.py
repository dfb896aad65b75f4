from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from featherface.detection.boxes import clip_boxes, iou_matrix

CORNERS = arrays(np.float64, (4, 4), elements=st.floats(-1e4, 1e4))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 10, 10), 1.0),  # itself
        ((0, 0, 10, 5), 0.5),  # its upper half
        ((5, 5, 15, 15), 25 / 175),
        ((10, 0, 20, 10), 0.0),  # they touch
        ((4, 4, 4, 4), 0.0),  # no area
        ((10, 10, 0, 0), 0.0),  # inside out
    ],
)
def test_iou_with_a_square_of_ten(other: tuple[int, ...], expected: float) -> None:
    square = np.array([[0, 0, 10, 10]], np.float32)
    assert iou_matrix(square, np.array([other], np.float32))[0, 0] == pytest.approx(expected)


@given(CORNERS, CORNERS)
def test_iou_is_symmetric_and_at_most_one(first: np.ndarray, second: np.ndarray) -> None:
    overlaps = iou_matrix(first, second)
    assert ((overlaps >= 0) & (overlaps <= 1 + 1e-9)).all()
    np.testing.assert_array_equal(overlaps, iou_matrix(second, first).T)


def test_iou_without_boxes() -> None:
    assert iou_matrix(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)


def test_clipping_keeps_what_lies_inside() -> None:
    boxes = np.array([[-5, 2, 50, 80], [90, 1, 99, 5]], np.float32)
    np.testing.assert_array_equal(clip_boxes(boxes, 60, 40), [[0, 2, 50, 40], [60, 1, 60, 5]])
