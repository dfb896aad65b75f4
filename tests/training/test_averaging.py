from __future__ import annotations

import pytest
import torch

from featherface.training.averaging import averaged_state


@pytest.mark.parametrize(("weights", "expected"), [(None, 3.0), ([3.0, 1.0], 2.0)])
def test_the_mean_of_two_stages(weights, expected):
    first = {"weight": torch.full((2, 2), 1.0), "batches": torch.tensor(7)}
    second = {"weight": torch.full((2, 2), 5.0), "batches": torch.tensor(9)}
    mean = averaged_state([first, second], weights)
    assert mean["weight"].dtype == torch.float32
    assert torch.equal(mean["weight"], torch.full((2, 2), expected))
    assert mean["batches"] == 9
