"""The fast twin of the deformable convolution against the plain one, which the golden files check."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from featherface.models.deformable import InferenceDeformableConv2d, ModulatedDeformableConv2d


def layer(in_channels: int, out_channels: int, reach: float) -> ModulatedDeformableConv2d:
    """A layer whose offsets are some `reach` cells long."""
    torch.manual_seed(0)
    made = ModulatedDeformableConv2d(in_channels, out_channels)
    for conv in (made.offset_conv, made.modulator_conv):
        nn.init.normal_(conv.weight, std=0.1)
        nn.init.normal_(conv.bias, std=reach)
    return made.requires_grad_(False)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 1), (2, 7, 9), (3, 1, 12)])
@pytest.mark.parametrize("reach", [0.0, 1.0, 50.0])  # plain convolution; usual; mostly outside the map
def test_the_twin_computes_the_same(shape: tuple[int, int, int], reach: float) -> None:
    batch, height, width = shape
    plain = layer(8, 6, reach)
    features = torch.randn(batch, 8, height, width)
    torch.testing.assert_close(
        InferenceDeformableConv2d(plain)(features), plain(features), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e38])
def test_the_twin_survives_wild_values(value: float) -> None:
    twin = InferenceDeformableConv2d(layer(8, 6, 1.0))
    features = torch.randn(1, 8, 5, 5)
    features[0, :, 2, 2] = value
    assert twin(features).shape == (1, 6, 5, 5)  # and reads nothing but its own memory
