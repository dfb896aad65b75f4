"""Pruning by masks: the zeros that training keeps, and the channels that can then be removed."""

from __future__ import annotations

import copy

import pytest
import torch

from featherface.models import MODELS
from featherface.profiling.pruning import (
    channel_masks,
    keep_zeros,
    pruned,
    weight_masks,
    without_zero_channels,
)


@pytest.fixture(scope="module")
def networks():
    """Both models with batch norms that are not neutral, as after training."""
    torch.manual_seed(0)
    made = {key: MODELS[key].builder().eval() for key in ("v1", "v2")}
    for network in made.values():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for values in (module.weight, module.bias, module.running_mean):
                    torch.nn.init.uniform_(values, 0.1, 0.9)
    return made


def test_the_masks_keep_the_weights_that_pruning_keeps(networks):
    masked = copy.deepcopy(networks["v2"])
    keep_zeros(masked, weight_masks(masked, 0.3))

    expected = pruned(networks["v2"], 0.3).state_dict()
    for name, tensor in masked.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("key", ["v1", "v2"])
def test_a_network_without_its_silent_channels_computes_the_same(networks, key):
    silenced = copy.deepcopy(networks[key])
    keep_zeros(silenced, channel_masks(silenced, 0.25))
    smaller = without_zero_channels(silenced)

    pixels = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        for one, same in zip(silenced(pixels), smaller(pixels), strict=True):
            torch.testing.assert_close(one, same, rtol=1e-4, atol=1e-5)
    widths = [block[0].out_channels for block in smaller.body.stage2]
    assert widths == [64, 96, 96, 96, 96, 96]  # the first reads stage 1, whose gates need its 64
    assert smaller.body.stage2[-1][3].out_channels == 128  # for the gates and the pyramid
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in silenced.parameters())
    assert networks[key].body.stage2[1][0].out_channels == 128  # a copy


def test_the_weakest_channels_are_silenced(networks):
    network = copy.deepcopy(networks["v2"])
    convolution = network.body.stage2[0][3]
    with torch.no_grad():
        convolution.weight[5] *= 100
        convolution.weight[7] *= 0.001
        network.body.stage2[0][4].weight[9] = 0.0  # the batch norm ignores this filter
    kept = channel_masks(network, 0.25)["body.stage2.0.3.weight"].flatten(1)[:, 0]
    assert kept.sum() == 96
    assert (kept[5], kept[7], kept[9]) == (1, 0, 0)
