from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import torch as safetensors
from torch import Tensor

from featherface.checkpoints import files as weights
from featherface.checkpoints.files import (
    WeightsError,
    inspect_checkpoint,
    load_network,
    save_weights,
    shipped_weights,
    user_checkpoints,
    verify,
)
from featherface.models import MODELS

V1, V2 = MODELS["v1"], MODELS["v2"]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return V1.builder().state_dict()


def write_pth(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def write_safetensors(path: Path, state: dict[str, Tensor]) -> Path:
    safetensors.save_file(state, path)
    return path


def cut(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


def changed(state: dict[str, Tensor], name: str, tensor: Tensor) -> dict[str, Tensor]:
    return {**state, name: tensor}


def without(state: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name not in names}


class Bomb:
    """Unpickling this would write a file."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.sentinel, "executed")


def test_the_published_checkpoint_loads(shared):
    network = load_network(V1, shared / "checkpoints" / "featherface_v1_published.pth")
    assert not network.training
    assert sum(parameter.numel() for parameter in network.parameters()) == 592_371


def test_prefix_and_profiling_buffers_are_all_that_is_forgiven(state, tmp_path):
    noisy = {f"module.{name}": tensor for name, tensor in state.items()}
    noisy |= {"total_ops": torch.zeros(1), "module.body.total_params": torch.zeros(1)}
    network = load_network(V1, write_pth(tmp_path / "noisy.pth", noisy))
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())

    half_prefixed = without(noisy, "module.bifpn.0.p5_w2") | {"bifpn.0.p5_w2": state["bifpn.0.p5_w2"]}
    with pytest.raises(WeightsError, match=r"does not fit FeatherFace V1: .* missing .* unexpected"):
        load_network(V1, write_pth(tmp_path / "half.pth", half_prefixed))


HEAD = "ClassHead.0.conv1x1.weight"
UNFIT = {
    "missing": (lambda s: without(s, HEAD), rf"1 tensors missing \(first: '{HEAD}'\)"),
    "unexpected": (
        lambda s: changed(s, "extra.bias", torch.zeros(2)),
        r"1 unexpected \(first: 'extra.bias'\)",
    ),
    "another shape": (lambda s: changed(s, HEAD, torch.zeros(2, 64, 1, 1)), "2x64x1x1, not 4x64x1x1"),
    "half precision": (lambda s: changed(s, HEAD, s[HEAD].half()), "torch.float16, not torch.float32"),
    "NaN": (lambda s: changed(s, HEAD, s[HEAD] * torch.nan), f"NaN or infinite values .in {HEAD}"),
    "infinity": (lambda s: changed(s, HEAD, s[HEAD] + torch.inf), "NaN or infinite"),
    "variance": (lambda s: changed(s, "body.stage1.0.1.running_var", -torch.ones(8)), "negative variance"),
    "foreign": (lambda s: {"fc.weight": torch.zeros(2)}, "587 tensors missing .* 1 unexpected"),
    "nothing": (lambda s: {}, "587 tensors missing"),
}


@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_does_not_fit_is_named(name, suffix, state, tmp_path):
    spoil, message = UNFIT[name]
    write = write_pth if suffix == ".pth" else write_safetensors
    path = write(tmp_path / f"file{suffix}", spoil(state))
    with pytest.raises(WeightsError, match=message) as caught:
        load_network(V1, path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)  # these sentences are shown on the page


def test_weights_of_the_other_model_are_recognised(shared):
    with pytest.raises(WeightsError, match="holds weights of FeatherFace V2, not of FeatherFace V1"):
        load_network(V1, shared / "reference" / "v2_seeded.pth")


def empty(path: Path) -> Path:
    path.touch()
    return path


def deflated_bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * (weights._MAX_BYTES + 1))
    return path


def legacy(path: Path) -> Path:
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
    return path


DAMAGED = {
    "empty": (lambda p, s: empty(p / "a.pth"), "is empty"),
    "absent": (lambda p, s: p / "a.pth", "There is no file a.pth"),
    "folder": (lambda p, s: p, "There is no file"),
    "other suffix": (lambda p, s: write_pth(p / "a.zip", s), "must end in"),
    "cut .pth": (lambda p, s: cut(write_pth(p / "a.pth", s)), "damaged or cut short"),
    "cut .safetensors": (lambda p, s: cut(write_safetensors(p / "a.safetensors", s)), "cut short"),
    "zip bomb": (lambda p, s: deflated_bomb(p / "a.pth"), "unpack to more than 64 MiB"),
    "before PyTorch 1.6": (lambda p, s: legacy(p / "a.pth"), "PyTorch 1.6"),
    "list": (lambda p, s: write_pth(p / "a.pth", [torch.zeros(1)]), "holds a list"),
    "nested": (lambda p, s: write_pth(p / "a.pth", {"model": s}), "entry 'model' is not a plain"),
    "sparse": (
        lambda p, s: write_pth(p / "a.pth", {"x": torch.ones(2, 2).to_sparse()}),
        "'x' is not a plain",
    ),
    "meta": (lambda p, s: write_pth(p / "a.pth", {"x": torch.ones(2, device="meta")}), "'x' is not a plain"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own, about sparse tensors
def test_damaged_files_are_refused(name, state, tmp_path):
    make, message = DAMAGED[name]
    with pytest.raises(WeightsError, match=message):
        load_network(V1, make(tmp_path, state))


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_text_under_another_name_is_refused(suffix, tmp_path):
    path = tmp_path / f"notes{suffix}"
    path.write_text("Not weights at all.\n" * 50)
    with pytest.raises(WeightsError, match="cut short"):
        load_network(V1, path)


def test_a_pickle_that_would_execute_does_not(state, tmp_path):
    sentinel = tmp_path / "sentinel"
    inside_zip = write_pth(tmp_path / "zip.pth", {**state, "extra": Bomb(sentinel)})
    bare = tmp_path / "bare.pth"
    bare.write_bytes(pickle.dumps(Bomb(sentinel)))
    for path in (inside_zip, bare):
        with pytest.raises(WeightsError):
            load_network(V1, path)
    assert not sentinel.exists()
    torch.load(inside_zip, weights_only=False)
    assert sentinel.read_text() == "executed"  # so the file above was a live one


def test_a_tensor_shorter_than_it_claims_is_refused(state, tmp_path):
    """A record cut inside an intact zip must not let the loader read past its end."""
    path = write_pth(tmp_path / "a.pth", state)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data[:4] if name.endswith("data/0") else data)
    with pytest.raises(WeightsError, match="damaged"):
        load_network(V1, path)


def test_saved_weights_come_back_with_their_record(tmp_path):
    network = V2.builder()
    assert shipped_weights(V2, tmp_path) is None
    saved = save_weights(network, V2, tmp_path / V2.weights, {"recipe": "test", "metrics": {"easy": 0.9}})
    shipped = shipped_weights(V2, tmp_path)
    assert shipped == saved
    assert shipped.provenance["metrics"] == {"easy": 0.9}
    record = json.loads((tmp_path / "featherface_v2.json").read_text())
    assert (record["model"], record["parameters"], record["trained"]) == ("v2", 256_156, True)
    assert record["bytes"] == shipped.path.stat().st_size
    verify(shipped)
    again = load_network(V2, shipped.path, shipped.sha256).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in network.state_dict().items())
    assert {path.name for path in tmp_path.iterdir()} == {"featherface_v2.safetensors", "featherface_v2.json"}


def test_a_network_with_nan_is_not_saved(tmp_path):
    network = V2.builder()
    torch.nn.init.constant_(network.shared_heads[0].cls_head.bias, torch.nan)
    with pytest.raises(WeightsError, match="NaN"):
        save_weights(network, V2, tmp_path / V2.weights, {})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    saved = save_weights(V2.builder(), V2, tmp_path / V2.weights, {})

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    verify(saved)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_changed_file_fails_its_checksum(tmp_path):
    saved = save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    data = bytearray(saved.path.read_bytes())
    data[-1] ^= 1  # still a valid file, with one weight changed by one bit
    saved.path.write_bytes(data)
    for check in (lambda: verify(saved), lambda: load_network(V2, saved.path, saved.sha256)):
        with pytest.raises(WeightsError, match="checksum"):
            check()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        pytest.param("{", "not JSON", id="cut"),
        pytest.param("[" * 100_000, "not JSON", id="nested too deep"),
        pytest.param("[]", "trained", id="a list"),
        pytest.param('{"trained": false}', "trained", id="untrained"),
        pytest.param('{"trained": true, "model": "v2"}', "sha256, provenance", id="fields missing"),
        pytest.param(
            '{"trained": true, "model": "v1", "sha256": "", "provenance": {}}', "model v1, not v2", id="other"
        ),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(record, message, tmp_path):
    save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    (tmp_path / "featherface_v2.json").write_text(record)
    with pytest.raises(WeightsError, match=message):
        shipped_weights(V2, tmp_path)


@pytest.mark.parametrize("lost", ["featherface_v2.safetensors", "featherface_v2.json"])
def test_half_of_a_pair_is_an_error(lost, tmp_path):
    save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    (tmp_path / lost).unlink()
    with pytest.raises(WeightsError, match=lost):
        shipped_weights(V2, tmp_path)


def test_checkpoints_of_a_person_are_offered_or_refused(state, shared, tmp_path):
    save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    published = tmp_path / "a_published.pth"
    published.write_bytes((shared / "checkpoints" / "featherface_v1_published.pth").read_bytes())
    write_safetensors(tmp_path / "b_wrong.safetensors", without(state, HEAD))
    write_pth(tmp_path / "c_foreign.pt", {"fc.weight": torch.zeros(2)})
    (tmp_path / "notes.txt").write_text("not a checkpoint, so not listed")

    good, wrong, foreign = user_checkpoints(tmp_path)
    assert (good.path, good.weights.key, good.weights.source) == (published, "v1", "user")
    assert good.weights == inspect_checkpoint(published, V1)
    assert wrong.weights is None
    assert "does not fit FeatherFace V1" in wrong.refusal
    assert "none of the tensors of FeatherFace V1 or FeatherFace V2" in foreign.refusal

    cut(published)
    assert "cut short" in user_checkpoints(tmp_path)[0].refusal  # noticed although seen before


def test_a_folder_that_is_absent_holds_no_checkpoints(tmp_path):
    assert user_checkpoints(tmp_path / "nowhere") == []
