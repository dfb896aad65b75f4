"""Block-by-block distillation."""

from __future__ import annotations

import copy
from statistics import median

import pytest
import torch

from featherface.models import MODELS
from featherface.training.batches import Batch
from featherface.training.blocks import BlockDistillation, ModuleNameError, matching_modules


def batch(seed: int) -> Batch:
    pixels = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(seed))
    return Batch(pixels.to(torch.uint8), [], [], [], [], torch.zeros(2, dtype=torch.bool))


def test_patterns_match_part_by_part():
    network = MODELS["v1"].builder()
    assert matching_modules(network, ["body.stage3.?"]) == ["body.stage3.0", "body.stage3.1"]
    assert len(matching_modules(network, ["ssh?.*", "ssh?_cs"])) == 18
    with pytest.raises(ModuleNameError, match="'neck'"):
        matching_modules(network, ["neck"])


def test_a_copy_of_the_teacher_has_no_error_and_an_untrained_student_learns():
    torch.manual_seed(0)
    teacher = MODELS["v1"].builder().eval()
    twin = copy.deepcopy(teacher)
    patterns = {"local": ["body.stage1.*", "ssh1.conv3X3"], "whole": ["bifpn.?"], "window": 4}
    same = BlockDistillation(twin, teacher, **patterns)
    same.calibrate([batch(1)])
    twin.load_state_dict(teacher.state_dict())  # calibration measured other batch statistics
    assert all(loss.item() < 1e-8 for loss in same(batch(2)).values())

    student = MODELS["v1"].builder()
    distillation = BlockDistillation(student, teacher, **patterns)
    distillation.calibrate([batch(1), batch(2)])
    optimiser = torch.optim.Adam(student.parameters(), 3e-3)
    history = []
    for step in range(12):
        losses = distillation(batch(step % 2))
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    assert set(history[0]) == {*matching_modules(student, ["body.stage1.*", "ssh1.conv3X3", "bifpn.?"])}
    # the median block: some of an untrained teacher's have nearly no variance to measure errors by
    assert median(history[-1][name] / history[0][name] for name in history[0]) < 0.8
