from __future__ import annotations

import pytest
import torch

from featherface.engines.choice import ENGINES
from featherface.models import MODELS
from featherface.models.inference import inference_copy


@pytest.mark.parametrize("key", MODELS)
def test_the_copy_computes_what_the_network_does_and_leaves_it_alone(key: str) -> None:
    torch.manual_seed(0)
    network = MODELS[key].builder().eval()
    copied = inference_copy(network.train())
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    network.eval()
    for shape in ((1, 3, 32, 32), (2, 3, 33, 95), (1, 3, 160, 96)):  # smallest; batch, odd sizes; portrait
        pixels = torch.randn(shape) * 60
        with torch.inference_mode():
            for ours, theirs in zip(copied(pixels), network(pixels), strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("key", MODELS)
def test_pytorch_runs_batch_norm_as_layers_of_its_own(key: str) -> None:
    """So its latency must not be divided by the FLOPs of the folded network; ONNX graphs have it folded."""
    copied = inference_copy(MODELS[key].builder())
    has_batch_norm = any(isinstance(module, torch.nn.BatchNorm2d) for module in copied.modules())
    assert has_batch_norm == (not ENGINES["pytorch"].folds_batch_norm)
