from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from featherface.checkpoints import WeightsError, inspect_checkpoint, load_network, save_weights, verify
from featherface.models import MODELS

V1, V2 = MODELS["v1"], MODELS["v2"]


def test_the_published_checkpoint_loads(shared: Path) -> None:
    network = load_network(V1, shared / "checkpoints" / "featherface_v1_published.pth")
    assert not network.training
    assert sum(parameter.numel() for parameter in network.parameters()) == 592_371


def test_a_checkpoint_with_prefix_and_profiling_buffers_loads(
    v1_state: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "as_published.pth"
    noisy = {f"module.{name}": tensor for name, tensor in v1_state.items()}
    torch.save(noisy | {"total_ops": torch.zeros(1), "module.body.total_params": torch.zeros(1)}, path)
    network = load_network(V1, path)
    assert not network.training
    assert all(torch.equal(tensor, v1_state[name]) for name, tensor in network.state_dict().items())
    assert inspect_checkpoint(path).key == "v1"


def test_saved_weights_load_bit_by_bit(tmp_path: Path) -> None:
    network = V2.builder()
    saved = save_weights(network, V2, tmp_path / V2.weights, {})
    verify(saved)
    loaded = load_network(V2, saved.path, saved.sha256).state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("read", [load_network, lambda entry, path: inspect_checkpoint(path, entry)])
def test_weights_of_the_other_model_are_refused(read: Callable[..., object], tmp_path: Path) -> None:
    saved = save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    with pytest.raises(WeightsError, match="contains weights of FeatherFace V2, not of FeatherFace V1"):
        read(V1, saved.path)


def test_a_changed_file_fails_its_checksum(tmp_path: Path) -> None:
    saved = save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    data = bytearray(saved.path.read_bytes())
    data[-1] ^= 1  # still a valid file, with one weight changed by one bit
    saved.path.write_bytes(data)
    for check in (lambda: verify(saved), lambda: load_network(V2, saved.path, saved.sha256)):
        with pytest.raises(WeightsError, match="checksum"):
            check()
