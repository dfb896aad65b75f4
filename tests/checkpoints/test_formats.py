from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import torch as safetensors
from torch import Tensor

from featherface.checkpoints.formats import MAX_WEIGHTS_BYTES, WeightsError, read_file, read_tensors

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}


def read(path: Path) -> dict[str, Tensor]:
    return read_tensors(path, read_file(path, MAX_WEIGHTS_BYTES))


def pth(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def truncated(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_tensors_come_back_with_name_shape_and_dtype(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(safetensors.save(STATE)) if suffix == ".safetensors" else torch.save(STATE, path)
    tensors = read(path)
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in tensors.items())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["module.weight", "module.bias"], {"weight", "bias"}),  # from DataParallel
        (["module.weight", "bias"], {"module.weight", "bias"}),  # only some: not a prefix, but a name
        (["weight", "total_ops", "body.total_params"], {"weight"}),  # profiling buffers
        (["module.weight", "module.total_ops", "total_params"], {"weight"}),  # as the published V1 has them
        (["weight", "total_ops.bias"], {"weight", "total_ops.bias"}),
    ],
)
def test_only_prefix_and_profiling_buffers_are_removed(
    names: list[str], expected: set[str], tmp_path: Path
) -> None:
    path = pth(tmp_path / "a.pth", {name: torch.zeros(1) for name in names})
    assert read(path).keys() == expected


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in STATE.items()}


@pytest.mark.parametrize(
    "checkpoint",
    [
        pytest.param({"state_dict": STATE, "epoch": 3, "best": 0.9}, id="PyTorch's examples"),
        pytest.param(
            {"model_state_dict": STATE, "optimizer_state_dict": {"state": {}}}, id="PyTorch's tutorials"
        ),
        pytest.param({"model": STATE, "epoch": 3, "optimizer": {"lr": 0.1}}, id="torchvision"),
        pytest.param({"model": {"weight": torch.ones(1)}, "ema": STATE}, id="averaged weights first"),
        pytest.param({"model": STATE, "ema": None}, id="no averaged weights yet"),
        pytest.param({"ema": {"module": STATE, "updates": 7}}, id="averaged weights with a counter"),
        pytest.param(prefixed("_orig_mod."), id="torch.compile"),
        pytest.param({"state_dict": prefixed("module._orig_mod.")}, id="DataParallel of a compiled network"),
        pytest.param(prefixed("_orig_mod.module."), id="compiled DataParallel"),
        pytest.param({"state_dict": prefixed("model."), "hyper_parameters": {}}, id="Lightning"),
        pytest.param({**prefixed("module."), "n_averaged": torch.tensor(3)}, id="AveragedModel"),
    ],
)
def test_training_checkpoints_are_unwrapped(checkpoint: dict[str, object], tmp_path: Path) -> None:
    tensors = read(pth(tmp_path / "last.ckpt", checkpoint))
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in tensors.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_half_precision_becomes_float32_and_integers_stay(
    dtype: torch.dtype, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"half{suffix}"
    state = {"weight": STATE["weight"].to(dtype), "batches": torch.tensor(3)}
    path.write_bytes(safetensors.save(state)) if suffix == ".safetensors" else torch.save(state, path)
    tensors = read(path)
    torch.testing.assert_close(tensors["weight"], STATE["weight"], rtol=0, atol=0)  # 0 to 5 are exact
    assert tensors["batches"].dtype == torch.int64


@pytest.mark.parametrize("name", ["a.PTH", "a.Pt", "last.ckpt", "best.pth.tar", "BEST.PTH.TAR"])
def test_suffixes_in_any_case(name: str, tmp_path: Path) -> None:
    assert read(pth(tmp_path / name, STATE)).keys() == STATE.keys()


def empty(path: Path) -> Path:
    path.touch()
    return path


def sparse_file(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(MAX_WEIGHTS_BYTES + 1)
    return path


def zip_bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * (MAX_WEIGHTS_BYTES + 1))
    return path


def legacy(path: Path) -> Path:
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    return path


def safetensors_file(path: Path) -> Path:
    path.write_bytes(safetensors.save(STATE))
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (lambda folder: empty(folder / "a.pth"), "is empty"),
    "absent": (lambda folder: folder / "a.pth", r"There is no file a\.pth"),
    "folder": (lambda folder: folder, "There is no file"),
    "too large": (lambda folder: sparse_file(folder / "a.pth"), "exceeds the limit of 64 MB"),
    "other suffix": (lambda folder: pth(folder / "a.zip", STATE), "must end in"),
    "truncated .pth": (lambda folder: truncated(pth(folder / "a.pth", STATE)), "damaged or truncated"),
    "truncated .safetensors": (
        lambda folder: truncated(safetensors_file(folder / "a.safetensors")),
        "damaged or truncated",
    ),
    "zip bomb": (lambda folder: zip_bomb(folder / "a.pth"), "unpack to more than 64 MB"),
    "before PyTorch 1.6": (lambda folder: legacy(folder / "a.pth"), "PyTorch 1.6"),
    "list": (lambda folder: pth(folder / "a.pth", [torch.zeros(1)]), "a list instead of a state dict"),
    "no known entry": (
        lambda folder: pth(folder / "a.pth", {"teacher": STATE}),
        "entry 'teacher' is not a plain",
    ),
    "nested without end": (
        lambda folder: pth(folder / "a.pth", {"model": {"model": {"model": {"model": {"model": STATE}}}}}),
        "entry 'model' is not a plain",
    ),
    "an entry of something else": (
        lambda folder: pth(folder / "a.pth", {"state_dict": {"weight": 1.0}}),
        "entry 'weight' is not a plain",
    ),
    "number as a name": (lambda folder: pth(folder / "a.pth", {3: torch.zeros(1)}), "entry '3' is not"),
    "sparse": (
        lambda folder: pth(folder / "a.pth", {"x": torch.ones(2, 2).to_sparse()}),
        "'x' is not a plain",
    ),
    "meta": (
        lambda folder: pth(folder / "a.pth", {"x": torch.ones(2, device="meta")}),
        "'x' is not a plain",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own, about sparse tensors
def test_refused_files(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    path = make(tmp_path)
    with pytest.raises(WeightsError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path.parent) not in str(caught.value)  # pages show these messages


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_text_under_another_name_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"notes{suffix}"
    path.write_text("Not weights at all.\n" * 50)
    with pytest.raises(WeightsError, match="truncated"):
        read(path)


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.sentinel, "executed")


def test_code_in_a_pickle_never_runs(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    inside_zip = pth(tmp_path / "zip.pth", {**STATE, "extra": Trap(sentinel)})
    bare = tmp_path / "bare.pth"
    bare.write_bytes(pickle.dumps(Trap(sentinel)))
    for path in (inside_zip, bare):
        with pytest.raises(WeightsError):
            read(path)
    assert not sentinel.exists()
    torch.load(inside_zip, weights_only=False)
    assert sentinel.read_text() == "executed"  # so the pickle above was a live one


def test_a_tensor_shorter_than_it_claims_is_refused(tmp_path: Path) -> None:
    """A truncated record inside an intact zip must not let the loader read past its end."""
    path = pth(tmp_path / "a.pth", STATE)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data[:4] if name.endswith("data/0") else data)
    with pytest.raises(WeightsError, match="damaged"):
        read(path)
