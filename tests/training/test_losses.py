"""Loss values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from featherface.training.losses import distillation_losses, hint_loss, multibox_losses
from featherface.training.targets import Targets

UNCERTAIN = -2


def targets(face: list[int], landmarks: bool = True) -> Targets:
    count = len(face)
    landm = torch.zeros(count, 10) if landmarks else torch.full((count, 10), torch.nan)
    uncertain = torch.tensor(face) == UNCERTAIN
    faces = torch.tensor(face).clamp_min(-1)
    return Targets(faces, uncertain, torch.zeros(count, 4), landm, torch.ones(count))


def test_multibox_by_hand():
    """One positive of four anchors: two hard negatives count, box error 2 in one value, points 0.5 in all."""
    loc = torch.zeros(1, 4, 4)
    loc[0, 0, 0] = 2.0
    logits = torch.zeros(1, 4, 2)
    logits[0, :, 1] = torch.tensor([0.0, 3.0, 1.0, -5.0])
    landm = torch.full((1, 4, 10), 0.5)
    losses = multibox_losses((loc, logits, landm), [targets([0, -1, -1, -1])], torch.tensor([True]), 2)
    assert losses["box"].item() == pytest.approx(1.5)  # smooth L1 of 2
    expected = math.log(2) + math.log(1 + math.e**3) + math.log(1 + math.e)
    assert losses["class"].item() == pytest.approx(expected, abs=1e-5)
    assert losses["landmark"].item() == pytest.approx(10 * 0.125)


def test_an_uncertain_anchor_is_no_hard_negative():
    logits = torch.zeros(1, 3, 2)
    logits[0, 1, 1] = 5.0  # the hardest negative, were it one
    outputs = (torch.zeros(1, 3, 4), logits, torch.zeros(1, 3, 10))
    losses = multibox_losses(outputs, [targets([0, UNCERTAIN, -1])], torch.tensor([True]), 1)
    assert losses["class"].item() == pytest.approx(2 * math.log(2))


def test_an_incomplete_image_teaches_no_background():
    outputs = (torch.zeros(1, 3, 4), torch.zeros(1, 3, 2), torch.zeros(1, 3, 10))
    losses = multibox_losses(outputs, [targets([0, -1, -1])], torch.tensor([False]), 7)
    assert losses["class"].item() == pytest.approx(math.log(2))


def test_faces_without_landmarks_leave_the_landmark_loss_alone():
    outputs = (torch.zeros(1, 2, 4), torch.zeros(1, 2, 2), torch.ones(1, 2, 10))
    losses = multibox_losses(outputs, [targets([0, -1], landmarks=False)], torch.tensor([True]), 7)
    assert losses["landmark"].item() == 0


def test_a_perfect_copy_of_the_teacher_has_no_distillation_loss():
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 2) * 3
    loc, landm = torch.randn(2, 5, 4), torch.randn(2, 5, 10)
    losses = distillation_losses((loc, logits, landm), (loc, logits.softmax(-1), landm), 4.0)
    assert all(abs(loss.item()) < 1e-5 for loss in losses.values())


def test_distilled_class_loss_by_hand():
    """Teacher certain to odds 2, student undecided, temperature 2: T^2 times KL(sigmoid(1) || 1/2)."""
    teacher = torch.tensor([[[0.0, 2.0]]]).softmax(-1)
    losses = distillation_losses(
        (torch.zeros(1, 1, 4), torch.zeros(1, 1, 2), torch.zeros(1, 1, 10)),
        (torch.zeros(1, 1, 4), teacher, torch.zeros(1, 1, 10)),
        2.0,
    )
    soft = 1 / (1 + math.exp(-1))
    divergence = soft * math.log(soft / 0.5) + (1 - soft) * math.log((1 - soft) / 0.5)
    assert losses["class"].item() == pytest.approx(4 * divergence, abs=1e-5)


@pytest.mark.parametrize("score_power", [1.0, 0.5])
def test_an_anchor_counts_as_its_higher_score_says(score_power):
    """A sure anchor is copied and an unsure one missed: the mean of both, each by its score to the power."""
    teacher = torch.tensor([[[0.0, 12.0], [0.0, -2.0]]]).softmax(-1)
    logits = torch.tensor([[[0.0, 12.0], [0.0, -4.0]]])
    losses = distillation_losses(
        (torch.zeros(1, 2, 4), logits, torch.zeros(1, 2, 10)),
        (torch.zeros(1, 2, 4), teacher, torch.zeros(1, 2, 10)),
        1.0,
        score_power,
    )
    seen, thought = 1 / (1 + math.exp(2)), 1 / (1 + math.exp(4))
    divergence = seen * math.log(seen / thought) + (1 - seen) * math.log((1 - seen) / (1 - thought))
    weight = seen**score_power
    assert losses["class"].item() == pytest.approx(weight * divergence / (1 + weight), rel=0.01)


def test_boxes_count_only_where_the_teacher_sees_a_face():
    background = torch.tensor([[[30.0, 0.0]]]).softmax(-1)
    losses = distillation_losses(
        (torch.ones(1, 1, 4), torch.zeros(1, 1, 2), torch.ones(1, 1, 10)),
        (torch.zeros(1, 1, 4), background, torch.zeros(1, 1, 10)),
        2.0,
    )
    assert losses["box"].item() == pytest.approx(0, abs=1e-6)


def test_a_located_box_counts_whatever_the_teacher_scores_it():
    unseen = torch.tensor([[[30.0, 0.0]]]).softmax(-1)
    losses = distillation_losses(
        (torch.ones(1, 1, 4), torch.zeros(1, 1, 2), torch.zeros(1, 1, 10)),
        (torch.zeros(1, 1, 4), unseen, torch.zeros(1, 1, 10)),
        2.0,
        located=torch.ones(1, 1),
    )
    assert losses["box"].item() == pytest.approx(4 * (1 - 0.25))


def test_unknown_landmarks_have_no_distillation_loss():
    outputs = (torch.ones(1, 2, 4), torch.zeros(1, 2, 2), torch.ones(1, 2, 10))
    losses = distillation_losses(
        outputs, (outputs[0], torch.full((1, 2, 2), 0.5), torch.full((1, 2, 10), torch.nan)), 2.0
    )
    assert losses["landmark"].item() == 0


def test_per_image_a_false_positive_counts_as_much_as_a_crowd():
    """One image is a crowd that is copied, the other has one false positive: half of its own loss."""
    teacher = torch.full((2, 50, 2), 0.5)
    teacher[1] = torch.tensor([1 - 1e-4, 1e-4])
    logits = torch.zeros(2, 50, 2)
    logits[1, 1:] = teacher[1, 1:].log()
    student = (torch.zeros(2, 50, 4), logits, torch.zeros(2, 50, 10))
    wanted = (torch.zeros(2, 50, 4), teacher, torch.zeros(2, 50, 10))
    batch = distillation_losses(student, wanted, 1.0)["class"].item()
    second = [tuple(part[1:] for part in outputs) for outputs in (student, wanted)]
    alone = distillation_losses(*second, 1.0)["class"].item()
    image = distillation_losses(student, wanted, 1.0, per_image=True)["class"].item()
    assert image == pytest.approx(alone / 2, rel=1e-4)
    assert batch < alone / 20


def test_hint_loss_of_the_mean_is_one():
    theirs = torch.randn(4, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    mine = torch.full_like(theirs, theirs.mean().item())
    assert hint_loss([mine], [theirs]).item() == pytest.approx(1, abs=0.01)
