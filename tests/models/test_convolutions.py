from __future__ import annotations

import pytest
import torch

from featherface.models.convolutions import ChannelShuffle, fuse


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((1.0, 3.0), 1 * 10 / 4 + 3 * 20 / 4),
        ((1.0, -3.0), 10.0),  # below zero counts as zero
        ((1.0, 1.0, 2.0), 10 / 4 + 20 / 4),  # a third weight without a map still takes part in the total
        ((0.0, 0.0), 0.0),  # and no division by zero
    ],
)
def test_fast_normalised_fusion(weights: tuple[float, ...], expected: float) -> None:
    maps = torch.full((1, 1, 2, 2), 10.0), torch.full((1, 1, 2, 2), 20.0)
    fused = fuse(torch.tensor(weights), *maps)
    torch.testing.assert_close(fused, torch.full((1, 1, 2, 2), expected), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("rows", "order"), [(2, [0, 3, 1, 4, 2, 5]), (3, [0, 2, 4, 1, 3, 5])])
def test_channel_shuffle(rows: int, order: list[int]) -> None:
    channels = torch.arange(6.0).view(1, 6, 1, 1)
    assert ChannelShuffle(rows)(channels).flatten().tolist() == order
