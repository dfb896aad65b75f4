"""Marks of a person against detections: every detection and face is counted once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featherface.evaluation.marked_photo import (
    MAX_FACES,
    Box,
    FaceCounts,
    MarkedPhoto,
    MarkingError,
    as_array,
    count_faces,
)

FACE: Box = (10, 10, 50, 60)
SAME: Box = (12, 11, 52, 61)  # an IoU of 0.87 with it
OTHER: Box = (100, 10, 140, 60)


def boxes(*found: Box) -> np.ndarray:
    return np.array(found, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("found", "marked", "counts"),
    [
        pytest.param(boxes(SAME), MarkedPhoto((FACE,)), FaceCounts(true=1), id="a face that is found"),
        pytest.param(boxes(), MarkedPhoto((FACE,)), FaceCounts(missed=1), id="a face that is missed"),
        pytest.param(boxes(OTHER), MarkedPhoto(), FaceCounts(unjudged=1), id="nobody judged it"),
        pytest.param(
            boxes(OTHER), MarkedPhoto(complete=True), FaceCounts(false=1), id="all faces are marked"
        ),
        pytest.param(boxes(SAME), MarkedPhoto((), (FACE,)), FaceCounts(false=1), id="rejected"),
        pytest.param(
            boxes(FACE, SAME), MarkedPhoto((FACE,)), FaceCounts(true=1, false=1), id="one face reported twice"
        ),
        pytest.param(
            boxes((10, 10, 50, 34)), MarkedPhoto((FACE,)), FaceCounts(missed=1, unjudged=1), id="IoU of 0.48"
        ),
        pytest.param(boxes((10, 10, 50, 35)), MarkedPhoto((FACE,)), FaceCounts(true=1), id="IoU of 0.5"),
    ],
)
def test_counts(found: np.ndarray, marked: MarkedPhoto, counts: FaceCounts) -> None:
    assert count_faces(found, marked) == counts


SQUARE = st.builds(
    lambda x, y, size: (float(x), float(y), float(x + size), float(y + size)),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(5, 40),
)
SQUARES = st.lists(SQUARE, max_size=8)


@given(SQUARES, SQUARES, SQUARES, st.booleans())
def test_every_detection_and_every_face_counts_once(found, faces, rejected, complete) -> None:
    marked = MarkedPhoto(complete=complete).with_faces(faces).without(rejected)
    counts = count_faces(boxes(*found), marked)
    assert counts.true + counts.false + counts.unjudged == len(found)
    assert counts.true + counts.missed == len(marked.faces)
    assert not (complete and counts.unjudged)


def test_a_face_replaces_what_was_there() -> None:
    marked = MarkedPhoto((FACE, OTHER)).with_face(SAME)
    assert marked.faces == (OTHER, SAME)
    assert MarkedPhoto().without([FACE]).with_face(SAME) == MarkedPhoto((SAME,))
    assert marked.without([FACE]) == MarkedPhoto((OTHER,), (FACE,))


def test_detections_are_confirmed_only_where_nobody_marked_anything() -> None:
    marked = MarkedPhoto((FACE,), (OTHER,)).with_faces([SAME, OTHER, (200, 10, 240, 60)])
    assert marked == MarkedPhoto((FACE, (200, 10, 240, 60)), (OTHER,))


def test_marks_are_bounded() -> None:
    full = MarkedPhoto(tuple((100.0 * index, 0.0, 100.0 * index + 9, 9.0) for index in range(MAX_FACES)))
    with pytest.raises(MarkingError, match="up to 2,000 faces per photo"):
        full.with_face((0, 50, 9, 59))
    assert len(full.with_face((1, 0, 10, 9)).faces) == MAX_FACES  # it replaces one


@pytest.mark.parametrize(
    ("counts", "precision", "recall"),
    [
        (FaceCounts(true=3, false=1, missed=2, unjudged=5), 0.75, 0.6),
        (FaceCounts(unjudged=2), None, None),
        (FaceCounts(true=1) + FaceCounts(false=1, missed=3), 0.5, 0.25),
    ],
)
def test_precision_and_recall(counts: FaceCounts, precision: float | None, recall: float | None) -> None:
    assert (counts.precision, counts.recall) == (precision, recall)


def test_no_boxes_have_a_shape_too() -> None:
    assert as_array(()).shape == (0, 4)
