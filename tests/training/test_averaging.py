from __future__ import annotations

import pytest
import torch

from featherface.models import MODELS
from featherface.training.averaging import averaged_state, recalibrated_state, resized_state
from featherface.training.targets import anchor_tensor, decode_boxes


def test_the_mean_of_two_stages():
    first = {"weight": torch.full((2, 2), 1.0), "batches": torch.tensor(7)}
    second = {"weight": torch.full((2, 2), 5.0), "batches": torch.tensor(9)}
    mean = averaged_state([first, second])
    assert mean["weight"].dtype == torch.float32
    assert torch.equal(mean["weight"], torch.full((2, 2), 3.0))
    assert mean["batches"] == 9


@pytest.mark.parametrize("scale", [1.0, 0.8])
@pytest.mark.parametrize("entry", MODELS.values(), ids=lambda entry: entry.key)
def test_recalibrating_scales_and_lowers_the_log_odds_of_every_score(entry, scale):
    torch.manual_seed(0)
    network = entry.builder().eval()
    pixels = torch.randn(1, 3, 64, 64) * 60
    with torch.no_grad():
        before = network(pixels)
        network.load_state_dict(recalibrated_state(network.state_dict(), 0.7, scale=scale))
        after = network(pixels)
    odds = [(conf[..., 1] / conf[..., 0]).log() for _, conf, _ in (before, after)]
    torch.testing.assert_close(odds[1], scale * odds[0] - 0.7, atol=1e-4, rtol=0)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[2], after[2])


@pytest.mark.parametrize("entry", MODELS.values(), ids=lambda entry: entry.key)
def test_resizing_changes_the_sides_of_boxes_on_the_finest_level(entry):
    torch.manual_seed(0)
    network = entry.builder().eval()
    pixels = torch.randn(1, 3, 64, 64) * 60
    with torch.no_grad():
        before = network(pixels)
        network.load_state_dict(resized_state(network.state_dict(), [(1.2, 1.1), (1.05, 1.0)]))
        after = network(pixels)
    anchors = anchor_tensor(64, torch.device("cpu"))
    boxes = [decode_boxes(loc[0], anchors) for loc, _, _ in (before, after)]
    sides, centres = zip(*((b[:, 2:] - b[:, :2], b[:, 2:] + b[:, :2]) for b in boxes), strict=True)
    expected = torch.ones(len(anchors), 2)
    expected[0:128:2], expected[1:128:2] = torch.tensor([1.2, 1.1]), torch.tensor([1.05, 1.0])
    torch.testing.assert_close(sides[1] / sides[0], expected)
    torch.testing.assert_close(centres[1], centres[0])
    assert torch.equal(before[1], after[1])
    assert torch.equal(before[2], after[2])
