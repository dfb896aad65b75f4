"""A teacher's outputs corrected by labels."""

from __future__ import annotations

import pytest
import torch

from featherface.training.batches import Batch
from featherface.training.mending import mended
from featherface.training.targets import anchor_tensor, decode_boxes

SIZE = 128
ANCHORS = anchor_tensor(SIZE, torch.device("cpu"))


def batch(boxes: list[list[float]], scores: list[float], *, complete: bool = False) -> Batch:
    labels = torch.tensor(boxes).reshape(-1, 4)
    points = torch.full((len(boxes), 5, 2), torch.nan)
    pixels = torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8)
    certainty = torch.tensor(scores)
    return Batch(pixels, [labels], [points], [certainty], [torch.ones(len(boxes))], torch.tensor([complete]))


def teacher(scores: dict[int, float]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Outputs of a teacher that gives these anchors these scores and finds each anchor's own box."""
    face = torch.full((1, len(ANCHORS)), 0.001)
    for anchor, score in scores.items():
        face[0, anchor] = score
    conf = torch.stack((1 - face, face), dim=-1)
    return torch.zeros(1, len(ANCHORS), 4), conf, torch.zeros(1, len(ANCHORS), 10)


def anchor_at(x: float, y: float, size: float) -> int:
    return int((ANCHORS - torch.tensor([x, y, size, size])).abs().sum(dim=1).argmin())


def mend(outputs, labels):
    return mended(outputs, labels, ANCHORS, match_iou=0.35, face_score=0.9).outputs


@pytest.mark.parametrize(
    ("score", "expected", "replaced"),
    [(0.1, 0.9, True), (0.7, 0.9, False), (0.97, 0.97, False)],
    ids=["missed: the label's score and box", "uncertain: the score", "certain: unchanged"],
)
def test_a_labelled_face_is_taught_with_at_least_the_score_given(score, expected, replaced):
    anchor = anchor_at(20, 20, 32)
    label = [5.0, 4.0, 37.0, 36.0]
    loc, conf, landm = mend(teacher({anchor: score}), batch([label], [0.8]))
    assert conf[0, anchor].tolist() == pytest.approx([1 - expected, expected])
    box = decode_boxes(loc[0, anchor : anchor + 1], ANCHORS[anchor : anchor + 1])[0].tolist()
    assert box == pytest.approx(label if replaced else [4, 4, 36, 36], abs=1e-3)
    assert torch.isnan(landm[0, anchor]).all() == replaced


def test_a_face_too_small_to_recognise_is_taught_half_way_in_log_odds():
    anchor = anchor_at(12, 12, 16)
    outputs = mend(teacher({anchor: 0.1}), batch([[4.0, 4.0, 20.0, 20.0]], [0.95]))
    assert outputs[1][0, anchor, 1] == pytest.approx(0.5)  # between 0.1 and 0.9


def test_a_small_face_that_the_teacher_sees_gets_the_box_of_its_label_at_full_weight():
    anchor = anchor_at(12, 12, 16)
    label = [5.0, 4.0, 19.0, 20.0]
    answer = mended(teacher({anchor: 0.7}), batch([label], [0.8]), ANCHORS, match_iou=0.35, face_score=0.9)
    box = decode_boxes(answer.outputs[0][0, anchor : anchor + 1], ANCHORS[anchor : anchor + 1])[0].tolist()
    assert box == pytest.approx(label, abs=1e-3)
    assert answer.located[0, anchor] == 1


def test_an_uncertain_label_changes_nothing():
    anchor = anchor_at(12, 12, 16)
    outputs = teacher({anchor: 0.2})
    for before, after in zip(outputs, mend(outputs, batch([[4.0, 4.0, 20.0, 20.0]], [0.3])), strict=True):
        assert torch.equal(before, after)


def test_an_eye_inside_a_large_face_becomes_background_and_the_face_stays():
    face, eye, beside = anchor_at(56, 56, 64), anchor_at(60, 52, 16), anchor_at(116, 116, 16)
    outputs = teacher({face: 0.9, eye: 0.8, beside: 0.8})
    _, conf, _ = mend(outputs, batch([[24.0, 24.0, 88.0, 88.0]], [1.0]))
    assert conf[0, [face, eye, beside], 1].tolist() == pytest.approx([0.9, 0.01, 0.8])


def test_a_complete_image_has_no_face_outside_its_labels():
    anchor = anchor_at(116, 116, 16)
    _, conf, _ = mend(teacher({anchor: 0.8}), batch([], [], complete=True))
    assert conf[0, anchor, 1] == pytest.approx(0.01)
