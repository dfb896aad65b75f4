"""Assignment of faces to anchors, and offsets that decode to the same face."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featherface.detection.anchors import decode_boxes, decode_landmarks
from featherface.training.targets import (
    anchor_tensor,
    assign,
    best_overlaps,
    encode_boxes,
    encode_landmarks,
    image_targets,
    iou,
)

CPU = torch.device("cpu")
SIZE = 128
numbers = st.floats(1, SIZE - 1, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=6))
def test_encoded_boxes_and_points_decode_to_themselves(corners):
    low_high = np.sort(np.float32(corners).reshape(-1, 2, 2), axis=1)
    boxes = torch.from_numpy(np.concatenate((low_high[:, 0], low_high[:, 1] + 1), axis=1))
    anchors = anchor_tensor(SIZE, CPU)[: len(boxes)]
    points = boxes[:, None, :2] + torch.rand(len(boxes), 5, 2) * 20
    fractions = anchors.numpy() / SIZE
    decoded = decode_boxes(encode_boxes(boxes, anchors).numpy(), fractions) * SIZE
    np.testing.assert_allclose(decoded, boxes.numpy(), atol=1e-2)
    decoded_points = decode_landmarks(encode_landmarks(points, anchors).numpy(), fractions) * SIZE
    np.testing.assert_allclose(decoded_points, points.numpy(), atol=1e-2)


@pytest.mark.parametrize(
    ("box", "positives", "why"),
    [
        ([4.0, 4.0, 20.0, 20.0], 1, "the 16 px anchor of its size, and no neighbour reaches 0.35"),
        ([56.0, 56.0, 72.0, 72.0], 4, "between four 16 px anchors of IoU 0.39 each"),
        ([60.0, 60.0, 63.0, 63.0], 0, "too small for any anchor: IoU under 0.2"),
        ([10.0, 10.0, 29.0, 28.0], 3, "sits well on several"),
    ],
)
def test_anchors_that_a_face_gets(box, positives, why):
    anchors = anchor_tensor(SIZE, CPU)
    face = assign(torch.tensor([box]), anchors, 0.35)
    assert (face == 0).sum() == positives, why


def test_a_face_that_no_anchor_fits_gets_its_best_one():
    face = assign(torch.tensor([[32.0, 32.0, 42.0, 41.0]]), anchor_tensor(SIZE, CPU), 0.35)
    assert (face == 0).sum() == 1


def test_two_faces_on_one_spot_both_get_an_anchor():
    boxes = torch.tensor([[16.0, 16.0, 32.0, 32.0], [17.0, 17.0, 31.0, 31.0]])
    assert set(assign(boxes, anchor_tensor(SIZE, CPU), 0.35).tolist()) >= {0, 1}


def test_an_uncertain_box_is_neither_a_face_nor_background():
    boxes = torch.tensor([[4.0, 4.0, 20.0, 20.0], [68.0, 68.0, 84.0, 84.0]])
    scores, weights = torch.tensor([0.9, 0.3]), torch.ones(2)
    anchors = anchor_tensor(SIZE, CPU)
    targets = image_targets(boxes, torch.zeros(2, 5, 2), scores, weights, anchors, 0.35)
    assert (targets.face >= 0).sum() == 1
    assert anchors[targets.uncertain].tolist() == [[76, 76, 16, 16]]
    assert not (targets.uncertain & (targets.face >= 0)).any()


def test_best_overlaps_agree_with_the_whole_matrix_for_a_crowd():
    corners = torch.rand(600, 2, generator=torch.Generator().manual_seed(4)) * 100
    boxes = torch.cat((corners, corners + 20), dim=1)
    anchors = anchor_tensor(SIZE, CPU)
    overlap, index = best_overlaps(boxes, anchors)
    low_high = torch.cat((anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2), dim=1)
    expected = iou(boxes, low_high)
    torch.testing.assert_close(overlap, expected.amax(dim=0))
    torch.testing.assert_close(expected[index, torch.arange(len(anchors))], overlap)


def test_targets_of_an_image_without_faces_are_background():
    none = torch.zeros(0)
    targets = image_targets(
        torch.zeros(0, 4), torch.zeros(0, 5, 2), none, none, anchor_tensor(SIZE, CPU), 0.35
    )
    assert (targets.face == -1).all()
    assert targets.weights.eq(1).all()
