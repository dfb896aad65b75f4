from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from featherface.checkpoints import (
    WeightsError,
    inspect_checkpoint,
    load_network,
    save_weights,
    shipped_weights,
    user_checkpoints,
)
from featherface.models import MODELS
from tests.third_model import register_third_model

V1, V2 = MODELS["v1"], MODELS["v2"]


def test_shipped_weights_come_with_their_record(tmp_path: Path) -> None:
    assert shipped_weights(V2, tmp_path) is None
    saved = save_weights(V2.builder(), V2, tmp_path / V2.weights, {"metrics": {"easy": 0.9}})
    shipped = shipped_weights(V2, tmp_path)
    assert shipped == saved
    assert shipped.provenance == {"metrics": {"easy": 0.9}}


@pytest.mark.parametrize("lost", ["featherface_v2.safetensors", "featherface_v2.json"])
def test_half_of_a_pair_is_an_error(lost: str, tmp_path: Path) -> None:
    save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    (tmp_path / lost).unlink()
    with pytest.raises(WeightsError, match=lost):
        shipped_weights(V2, tmp_path)


def test_user_checkpoints_are_offered_or_refused(v1_state: dict[str, Tensor], tmp_path: Path) -> None:
    save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    good_path = tmp_path / "a_good.pth"
    torch.save(v1_state, good_path)
    torch.save(dict(list(v1_state.items())[1:]), tmp_path / "b_incomplete.pth")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "c_foreign.pt")
    (tmp_path / "notes.txt").write_text("not a checkpoint, so not listed")

    good, incomplete, foreign = user_checkpoints(tmp_path)
    assert (good.path, good.weights.key, good.weights.source) == (good_path, "v1", "user")
    assert good.weights == inspect_checkpoint(good_path, V1)
    assert incomplete.weights is None
    assert "does not fit FeatherFace V1" in incomplete.refusal
    assert "none of the tensors of FeatherFace V1 or FeatherFace V2" in foreign.refusal

    good_path.write_bytes(good_path.read_bytes()[:-1_000])
    assert "truncated" in user_checkpoints(tmp_path)[0].refusal  # a changed file is inspected again


def test_a_checkpoint_fits_a_model_registered_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    third = register_third_model(monkeypatch)
    torch.save(third.builder().state_dict(), tmp_path / "tiny.pth")
    monkeypatch.undo()
    (before,) = user_checkpoints(tmp_path)
    assert before.weights is None
    register_third_model(monkeypatch)
    (after,) = user_checkpoints(tmp_path)
    assert after.weights.key == third.key


def test_training_checkpoints_are_offered_and_load_strictly(
    v1_state: dict[str, Tensor], tmp_path: Path
) -> None:
    halves = {
        f"module.{name}": tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in v1_state.items()
    }
    torch.save({"state_dict": halves, "epoch": 7}, tmp_path / "best.pth.tar")
    torch.save({"model": dict(list(v1_state.items())[1:])}, tmp_path / "incomplete.CKPT")
    whole, incomplete = user_checkpoints(tmp_path)
    assert whole.weights.key == "v1"
    loaded = load_network(V1, whole.path).state_dict()
    assert all(torch.equal(loaded[name], v1_state[name].half().to(loaded[name].dtype)) for name in v1_state)
    assert "1 missing" in incomplete.refusal


def test_an_absent_folder_holds_no_checkpoints(tmp_path: Path) -> None:
    assert user_checkpoints(tmp_path / "nowhere") == []
