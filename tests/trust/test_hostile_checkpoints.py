"""Checkpoints made to do harm: refused by name in one sentence, and nothing of theirs ever runs."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus import Trap, is_sentence, zipped
from safetensors import torch as safetensors

from featherface.checkpoints import (
    WeightsError,
    inspect_checkpoint,
    load_network,
    record_path,
    user_checkpoints,
)
from featherface.detection.images import decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.serving.model_service import ModelService
from featherface.training.run_state import RunStateError, load_run_state

V1, V2 = MODELS["v1"], MODELS["v2"]


def refusal(path: Path) -> str:
    """The sentence with which a checkpoint is refused, whatever it is opened for."""
    sentences = set()
    for read in (lambda: inspect_checkpoint(path), lambda: load_network(V2, path)):
        with pytest.raises(WeightsError) as raised:
            read()
        sentences.add(str(raised.value))
    assert all(map(is_sentence, sentences))
    assert all(path.name in sentence and str(path.parent) not in sentence for sentence in sentences)
    return min(sentences)


class Shell(Trap):
    """Unpickling this would run a program."""

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.sentinel}",)


class Python(Trap):
    """Unpickling this would run Python."""

    def __reduce__(self) -> tuple:
        return exec, (f"import pathlib; pathlib.Path({str(self.sentinel)!r}).touch()",)


class Program(Trap):
    """Unpickling this would start a program."""

    def __reduce__(self) -> tuple:
        return subprocess.call, (["touch", str(self.sentinel)],)


class Key(Trap):
    """A key of a dictionary, which is unpickled before its value."""

    def __hash__(self) -> int:
        return 7


HARMS = {
    "as a value": lambda sentinel: {"weight": Trap(sentinel)},
    "as a key": lambda sentinel: {Key(sentinel): torch.zeros(1)},
    "as everything": Trap,
    "in a shell": Shell,
    "as Python": Python,
    "as a program": Program,
}


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.safetensors"])
@pytest.mark.parametrize("harm", HARMS)
def test_pickles_that_would_execute_never_do(harm, name, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    path, sentinel = folder / name, tmp_path / "sentinel"
    torch.save(HARMS[harm](sentinel), path)
    refusal(path)
    path.write_bytes(pickle.dumps(HARMS[harm](sentinel)))
    refusal(path)
    (offered,) = user_checkpoints(folder)
    assert offered.weights is None
    assert not sentinel.exists()
    pickle.loads(path.read_bytes())
    assert sentinel.exists()  # so it was a live one


@pytest.mark.parametrize("harm", HARMS)
def test_training_checkpoints_that_would_execute_never_do(harm, tmp_path):
    path, sentinel = tmp_path / "last.pt", tmp_path / "sentinel"
    torch.save({"model": HARMS[harm](sentinel), "ema": {}, "step": 3}, path)
    with pytest.raises(RunStateError) as raised:
        load_run_state(path)
    assert is_sentence(str(raised.value))
    assert not sentinel.exists()


@pytest.mark.parametrize("opcodes", [b"c%s\nexec\n.", b"X\xff\xff\x00\x00%s.", b"(lp0\nV%s\nap1\n."])
def test_a_name_over_which_pytorch_would_search_for_hours_never_reaches_it(opcodes, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("PyTorch was given the file"))
    path = tmp_path / "a.pth"
    path.write_bytes(zipped({"archive/data.pkl": b"\x80\x02" + opcodes % (b"x" * 65_535)}))
    assert "damaged" in refusal(path)


def test_an_older_pickle_with_a_zip_behind_it_never_reaches_pytorch(tmp_path, monkeypatch):
    """PyTorch goes by how a file starts: it would read the pickle, while only the zip had been looked at."""
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("PyTorch was given the file"))
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.zeros(1)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes() + zipped({"archive/data.pkl": pickle.dumps({})}))
    assert "PyTorch 1.6" in refusal(path)


def test_of_two_zips_in_one_pytorch_is_given_the_one_that_was_checked(tmp_path):
    """Python takes the zip at the end; PyTorch, going by its offsets, would take one as large before it."""
    path, zips = tmp_path / "a.pth", []
    for name in ("unchecked", "looked at"):
        torch.save({name: "no tensor"}, path)
        zips.append(path.read_bytes())
    without_end = zips[0][: zips[0].rindex(b"PK\5\6")]
    path.write_bytes(without_end + zips[1])
    assert set(torch.load(path, weights_only=True)) == {"unchecked"}
    assert "looked at" in refusal(path)


def lying(header: bytes, length: int | None = None, values: bytes = b"") -> bytes:
    """A safetensors file whose header has, or is said to have, a length."""
    return struct.pack("<Q", len(header) if length is None else length) + header + values


def about(**tensors: object) -> bytes:
    return json.dumps(tensors).encode()


FLOATS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
LIES = {
    "a header longer than the file": lying(about(weight=FLOATS), 10_000, bytes(8)),
    "a header of 2^63 bytes": lying(about(weight=FLOATS), 2**63, bytes(8)),
    "a header of no bytes": lying(b"", 0, bytes(8)),
    "a header one byte short": lying(about(weight=FLOATS), len(about(weight=FLOATS)) - 1, bytes(8)),
    "a length and nothing else": struct.pack("<Q", 8),
    "half a length": bytes(4),
    "a huge header": lying(about(**{f"name{n}" * 8: FLOATS for n in range(20_000)}), None, bytes(8)),
    "a huge header of spaces": lying(about(weight=FLOATS) + b" " * 20_000_000, None, bytes(8)),
    "a header nested deep": lying(b'{"a":' * 100_000),
    "a header that is a list": lying(b"[1, 2]"),
    "offsets past the end": lying(about(weight={**FLOATS, "data_offsets": [0, 2**40]}), None, bytes(8)),
    "offsets the wrong way": lying(about(weight={**FLOATS, "data_offsets": [8, 0]}), None, bytes(8)),
    "negative offsets": lying(about(weight={**FLOATS, "data_offsets": [-8, 0]}), None, bytes(8)),
    "a shape that overflows": lying(about(weight={**FLOATS, "shape": [2**40, 2**40]}), None, bytes(8)),
    "tensors that overlap": lying(about(weight=FLOATS, bias=FLOATS), None, bytes(8)),
    "an unknown type": lying(about(weight={**FLOATS, "dtype": "F128"}), None, bytes(8)),
    "a name of another script": lying(about(**{"\u202eweight\0\n": FLOATS}), None, bytes(8)),
    "values behind the last tensor": lying(about(weight=FLOATS), None, bytes(100)),
}


@pytest.mark.parametrize("lie", LIES)
def test_safetensors_that_lie_are_refused(lie, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(LIES[lie])
    refusal(path)


def test_safetensors_cut_anywhere_are_refused(seeded, tmp_path):
    data = (seeded / V2.weights).read_bytes()
    path = tmp_path / "a.safetensors"
    for length in range(len(data) - 1, 0, -len(data) // 12):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError, match="truncated"):
            load_network(V2, path)


@pytest.fixture
def folder(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(seeded, tmp_path / "weights"))


def recorded(path: Path, **changes: object) -> None:
    """Change a record; None takes an entry out."""
    record = json.loads(record_path(path).read_text()) | changes
    kept = {name: value for name, value in record.items() if value is not None}
    record_path(path).write_text(json.dumps(kept))


def replaced(path: Path, state: dict[str, torch.Tensor]) -> None:
    """Put other tensors into a shipped file, its record told so."""
    path.write_bytes(safetensors.save(state))
    recorded(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def with_nan(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: tensor * torch.nan if tensor.is_floating_point() else tensor for name, tensor in state.items()
    }


SHIPPED = {
    "checksum of another file": (lambda path: recorded(path, sha256="0" * 64), "checksum"),
    "no checksum": (lambda path: recorded(path, sha256=None), "sha256"),
    "checksum that is no text": (lambda path: recorded(path, sha256=[1, 2]), "sha256"),
    "not said to be trained": (lambda path: recorded(path, trained=None), "trained"),
    "about another model": (lambda path: recorded(path, model="v1"), "describes FeatherFace V1, not"),
    "record deleted": (lambda path: record_path(path).unlink(), "no file"),
    "record garbled": (lambda path: record_path(path).write_bytes(os.urandom(4_000)), "not JSON"),
    "record a folder": (lambda path: (record_path(path).unlink(), record_path(path).mkdir()), "no file"),
    "file a folder": (lambda path: (path.unlink(), path.mkdir()), "no file"),
    "weights of the other model": (
        lambda path: replaced(path, V1.builder().state_dict()),
        "weights of FeatherFace V1",
    ),
    "all NaN": (lambda path: replaced(path, with_nan(V2.builder().state_dict())), "NaN"),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_that_were_tampered_with_are_refused_by_name(name, folder):
    spoil, words = SHIPPED[name]
    spoil(folder / V2.weights)
    service = ModelService(folder)
    status = service.weights_info("v2")
    sentence = status.message
    if status.state == "ready":  # the record is as it should be: what it is about shows when it is loaded
        with pytest.raises(WeightsError) as raised:
            service.detect(
                decode_photo(np.zeros((32, 32), np.uint8)), "v2", DetectionSettings(input_size=128)
            )
        sentence = str(raised.value)
    assert is_sentence(sentence)
    assert words in sentence
    assert "featherface_v2" in sentence
