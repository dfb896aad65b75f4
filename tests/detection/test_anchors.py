from __future__ import annotations

from itertools import product
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featherface.config import ANCHOR_SIZES, STRIDES
from featherface.detection.anchors import anchors, decode_boxes, decode_landmarks

SIDES = st.integers(32, 300)


def anchors_in_loops(height: int, width: int) -> np.ndarray:
    """The study's way: level by level, row by row, small anchor first."""
    return np.array(
        [
            ((j + 0.5) * stride / width, (i + 0.5) * stride / height, size / width, size / height)
            for stride, sizes in zip(STRIDES, ANCHOR_SIZES, strict=True)
            for i, j in product(range(ceil(height / stride)), range(ceil(width / stride)))
            for size in sizes
        ]
    )


def test_16800_at_the_size_of_the_study() -> None:
    assert anchors(640, 640).shape == (16_800, 4)


@given(SIDES, SIDES)
@settings(max_examples=25)
def test_equal_the_loops_at_any_size(height: int, width: int) -> None:
    np.testing.assert_allclose(anchors(height, width), anchors_in_loops(height, width), rtol=1e-6)


def test_cached_and_safe_to_share() -> None:
    shared = anchors(64, 96)
    assert shared is anchors(64, 96)
    with pytest.raises(ValueError, match="read-only"):
        shared[0] = 0


def test_decoding_by_hand() -> None:
    anchor = np.array([[0.5, 0.25, 0.2, 0.1]], np.float32)
    loc = np.array([[1.0, -2.0, np.log(2) / 0.2, 0.0]], np.float32)  # moved by 0.02 and -0.02, twice as wide
    np.testing.assert_allclose(decode_boxes(loc, anchor), [[0.32, 0.18, 0.72, 0.28]], rtol=1e-5)
    landm = np.array([[0, 0, 1, 0, 0, 1, -1, -1, 10, 10]], np.float32)
    np.testing.assert_allclose(
        decode_landmarks(landm, anchor),
        [[[0.5, 0.25], [0.52, 0.25], [0.5, 0.26], [0.48, 0.24], [0.7, 0.35]]],
        rtol=1e-5,
    )
