from __future__ import annotations

import pytest
import torch

from featherface.models import MODELS
from featherface.models.compiled import compiled


@pytest.mark.parametrize("key", MODELS)
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 3, 33, 95), (1, 3, 160, 96)])
def test_the_compiled_copy_computes_what_the_network_does(key: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = MODELS[key].builder().eval()
    pixels = torch.randn(shape) * 60
    with torch.inference_mode():
        expected = network(pixels)
        actual = compiled(network)(pixels)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
