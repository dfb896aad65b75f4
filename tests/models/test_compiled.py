from __future__ import annotations

import pytest
import torch

from featherface.models import MODELS
from featherface.models.compiled import compiled


@pytest.mark.parametrize("key", MODELS)
def test_the_compiled_copy_computes_what_the_network_does(key: str) -> None:
    torch.manual_seed(0)
    network = MODELS[key].builder().eval()
    fast = compiled(network)
    for shape in ((1, 3, 32, 32), (2, 3, 33, 95), (1, 3, 160, 96)):  # smallest; batch, odd sizes; portrait
        pixels = torch.randn(shape) * 60
        with torch.inference_mode():
            for ours, theirs in zip(fast(pixels), network(pixels), strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
