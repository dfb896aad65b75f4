"""Files of trained weights: reading them strictly, writing them with a record of where they come from.

Shipped weights are safetensors with a JSON record of the same name beside them. A checkpoint that a person
brings may also be a PyTorch state dict (.pth, .pt), as the published FeatherFace V1 is. The names of that
one may carry the prefix `module.` (DataParallel's) and profiling buffers (thop's); nothing else is forgiven.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor, nn

from featherface.errors import FeatherFaceError, sentence
from featherface.files import write_files
from featherface.models import MODELS, ModelEntry

__all__ = [
    "UserCheckpoint",
    "WeightsError",
    "WeightsFile",
    "inspect_checkpoint",
    "load_network",
    "record_path",
    "save_weights",
    "shipped_weights",
    "user_checkpoints",
    "verify",
]

_SUFFIXES = (".safetensors", ".pth", ".pt")
_MAX_BYTES = 64 * 2**20  # ten times and more what any network here needs, and harmless to hold in memory
_MAX_PICKLE_BYTES = 4 * 2**20  # of names and shapes; the published V1 has 127 kB
_MAX_NAME = 1_000  # characters
_MAX_RECORD_BYTES = 2**20  # a record is a page of text
_ZIP_START = b"PK\x03\x04"
_DATA_PARALLEL = "module."
_PROFILING = ("total_ops", "total_params")  # buffers that thop leaves in the model it profiles


class WeightsError(FeatherFaceError):
    """A weights file cannot be used; the message is one sentence that says why."""


@dataclass(frozen=True)
class WeightsFile:
    """One file of weights that fits one model."""

    path: Path
    key: str  # of the model in MODELS
    sha256: str  # of the file, hexadecimal
    provenance: Mapping[str, object]  # how the weights were made; empty for a person's own file
    source: Literal["shipped", "user"]


@dataclass(frozen=True)
class UserCheckpoint:
    """A checkpoint that somebody put into the weights folder, with either its `weights` or a `refusal`."""

    path: Path
    weights: WeightsFile | None
    refusal: str | None


def load_network(entry: ModelEntry, path: Path, sha256: str | None = None) -> nn.Module:
    """Build the network of `entry` with the weights in `path`, in evaluation mode on the CPU.

    With `sha256` the file must have exactly this checksum. Raises WeightsError.
    """
    data = _read_bounded(path, _MAX_BYTES)
    if sha256 is not None:
        _require_checksum(path, data, sha256)
    state = _state_dict(path, data)
    _require_fit(path.name, entry, state)
    network = entry.builder()
    network.load_state_dict(state, strict=True)
    return network.eval()


def save_weights(
    network: nn.Module, entry: ModelEntry, path: Path, provenance: Mapping[str, object]
) -> WeightsFile:
    """Write `network` to `path` (.safetensors) and its record beside it: both or, on a full disk, neither.

    `provenance` is free-form and must survive JSON: date, recipe, pictures, teacher, metrics.
    Raises WeightsError when the network is not `entry`'s or carries NaN, and OSError when it cannot write.
    """
    if path.suffix != ".safetensors":
        raise WeightsError(f"Weights are written as .safetensors, not as {path.name}.")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    _require_fit(path.name, entry, state)
    data = safetensors.save(state)
    record = {
        "model": entry.key,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "trained": True,
        "provenance": dict(provenance),
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_files({path: data, record_path(path): text.encode()})
    return WeightsFile(path, entry.key, record["sha256"], record["provenance"], "shipped")


def record_path(path: Path) -> Path:
    """Return where the JSON record of the weights file `path` lies."""
    return path.with_suffix(".json")


def shipped_weights(entry: ModelEntry, folder: Path) -> WeightsFile | None:
    """Return what the record of `entry`'s shipped weights in `folder` says, or None when there are none yet.

    The file itself is read, and held against the checksum, by `verify` and `load_network`.
    Raises WeightsError when the record or its file is missing, or the record does not make sense.
    """
    path = folder / entry.weights
    if not path.exists() and not record_path(path).exists():
        return None
    record = _read_record(record_path(path))
    if record["model"] != entry.key:
        raise WeightsError(
            sentence(f"{record_path(path).name} is about model {record['model']}, not {entry.key}.")
        )
    if not path.exists():
        raise WeightsError(f"{record_path(path).name} describes {path.name}, which is missing.")
    return WeightsFile(path, entry.key, record["sha256"], record["provenance"], "shipped")


def verify(weights: WeightsFile) -> None:
    """Raise WeightsError unless the file still has the checksum that `weights` names."""
    _require_checksum(weights.path, _read_bounded(weights.path, _MAX_BYTES), weights.sha256)


def inspect_checkpoint(path: Path, entry: ModelEntry | None = None) -> WeightsFile:
    """Check a person's checkpoint in full, against `entry` or else the model that it comes nearest to.

    Raises WeightsError.
    """
    data = _read_bounded(path, _MAX_BYTES)
    state = _state_dict(path, data)
    entry = entry or _nearest_entry(path, state)
    _require_fit(path.name, entry, state)
    return WeightsFile(path, entry.key, hashlib.sha256(data).hexdigest(), {}, "user")


def user_checkpoints(folder: Path) -> list[UserCheckpoint]:
    """Return the checkpoints in `folder` that are not shipped ones, by name, each checked in full."""
    shipped = {entry.weights for entry in MODELS.values()}
    found = []
    for path in sorted(folder.glob("*")):
        if path.suffix in _SUFFIXES and path.name not in shipped and path.is_file():
            status = path.stat()
            found.append(_inspect_once(path, status.st_mtime_ns, status.st_size))
    return found


@lru_cache(maxsize=64)
def _inspect_once(path: Path, modified_ns: int, size: int) -> UserCheckpoint:
    """Inspect a file again only when its time or size has changed."""
    try:
        return UserCheckpoint(path, inspect_checkpoint(path), None)
    except WeightsError as error:
        return UserCheckpoint(path, None, str(error))


def _read_bounded(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes once, so that what is checked is also what is used."""
    try:
        if not path.is_file():
            raise WeightsError(f"There is no file {path.name}.")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {error.strerror}.") from error
    if not data:
        raise WeightsError(f"{path.name} is empty.")
    if len(data) > limit:
        raise WeightsError(f"{path.name} is larger than {limit // 2**20} MiB, too large for weights of ours.")
    return data


def _require_checksum(path: Path, data: bytes, sha256: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError(f"{path.name} does not have its recorded checksum: it was damaged or changed.")


def _read_record(path: Path) -> dict[str, object]:
    try:
        record = json.loads(_read_bounded(path, _MAX_RECORD_BYTES))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path.name} is not JSON, so it is no record of weights.") from error
    kinds = {"model": str, "sha256": str, "provenance": dict}
    if not isinstance(record, dict) or record.get("trained") is not True:
        raise WeightsError(f"{path.name} does not say that its weights were trained.")
    wrong = [name for name, kind in kinds.items() if not isinstance(record.get(name), kind)]
    if wrong:
        raise WeightsError(f"{path.name} lacks a proper value for {', '.join(wrong)}.")
    return record


def _state_dict(path: Path, data: bytes) -> dict[str, Tensor]:
    """Read named CPU tensors, without profiling buffers and without the prefix that all names may carry."""
    if path.suffix == ".safetensors":
        tensors = _read_safetensors(path.name, data)
    elif path.suffix in _SUFFIXES:
        tensors = _read_pytorch(path.name, data)
    else:
        raise WeightsError(f"{path.name} is no checkpoint: its name must end in {', '.join(_SUFFIXES)}.")
    weights = {name: tensor for name, tensor in tensors.items() if name.split(".")[-1] not in _PROFILING}
    if weights and all(name.startswith(_DATA_PARALLEL) for name in weights):
        return {name.removeprefix(_DATA_PARALLEL): tensor for name, tensor in weights.items()}
    return weights


def _read_safetensors(name: str, data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{name} is not a safetensors file, or is damaged or cut short.") from error


def _read_pytorch(name: str, data: bytes) -> dict[str, Tensor]:
    try:
        unpacked = _unpacked_bytes(data)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise WeightsError(
            f"{name} is not a checkpoint as PyTorch 1.6 and later save it, or is damaged or cut short."
        ) from error
    if unpacked > _MAX_BYTES:
        raise WeightsError(f"{name} would unpack to more than {_MAX_BYTES // 2**20} MiB.")
    try:
        state = torch.load(_checked(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a malformed pickle can raise anything at all
        raise WeightsError(
            f"{name} is damaged or holds more than plain tensors, which are all that is ever loaded."
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f"{name} holds a {type(state).__name__} and no state dict of named tensors.")
    odd = [str(key) for key, value in state.items() if not isinstance(key, str) or not _is_plain(value)]
    if odd:
        raise WeightsError(f"{name} is no state dict: its entry {odd[0]!r:.80} is not a plain named tensor.")
    return state


def _unpacked_bytes(data: bytes) -> int:
    """Return how many bytes a zip unpacks to. Raises BadZipFile, also for a zip behind something else.

    PyTorch goes by how a file starts, so it would read what stands before the zip, unchecked.
    """
    if not data.startswith(_ZIP_START):
        raise zipfile.BadZipFile("the file does not start as a zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(member.file_size for member in archive.infolist())


def _checked(data: bytes) -> io.BytesIO:
    """Return a zip of the files that were checked: of some zips PyTorch reads others than Python does."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {member.filename: archive.read(member) for member in archive.infolist()}
    checked = io.BytesIO()
    with zipfile.ZipFile(checked, "w") as archive:
        for name, content in files.items():
            if name.endswith(".pkl"):
                _check_pickle(content)
            archive.writestr(zipfile.ZipInfo(name), content)
    checked.seek(0)
    return checked


def _check_pickle(content: bytes) -> None:
    """Raise ValueError for long names: to word its refusal of one, PyTorch searches it for hours."""
    if len(content) > _MAX_PICKLE_BYTES:
        raise ValueError("a pickle is too large")
    for _, argument, _ in pickletools.genops(content):
        if isinstance(argument, str | bytes) and len(argument) > _MAX_NAME:
            raise ValueError("a name is too long")


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu"


def _layout(entry: ModelEntry) -> dict[str, Tensor]:
    """Return the state dict that `entry` expects, as tensors without data."""
    with torch.device("meta"):
        return entry.builder().state_dict()


def _nearest_entry(path: Path, state: Mapping[str, Tensor]) -> ModelEntry:
    def shared_tensors(entry: ModelEntry) -> int:
        return sum(name in state and state[name].shape == want.shape for name, want in _layout(entry).items())

    nearest = max(MODELS.values(), key=shared_tensors)
    if shared_tensors(nearest) == 0:
        names = " or ".join(entry.name for entry in MODELS.values())
        raise WeightsError(f"{path.name} holds none of the tensors of {names}.")
    return nearest


def _require_fit(name: str, entry: ModelEntry, state: Mapping[str, Tensor]) -> None:
    differences = _differences(_layout(entry), state)
    if differences:
        for other in MODELS.values():
            if other.key != entry.key and not _differences(_layout(other), state):
                raise WeightsError(f"{name} holds weights of {other.name}, not of {entry.name}.")
        raise WeightsError(f"{name} does not fit {entry.name}: {', '.join(differences)}.")
    for tensor_name, tensor in state.items():
        values = tensor.detach().numpy()
        if not np.isfinite(values).all():
            raise WeightsError(f"{name} carries NaN or infinite values (in {tensor_name}).")
        if tensor_name.endswith("running_var") and (values < 0).any():
            raise WeightsError(f"{name} carries a negative variance (in {tensor_name}).")


def _differences(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Name what keeps `state` from being `expected`, a phrase for each kind of difference."""
    missing = [name for name in expected if name not in state]
    unexpected = [name for name in state if name not in expected]
    common = [name for name in expected if name in state]
    phrases = [
        f"{len(names)} {what} (first: {names[0]!r:.80})"
        for names, what in ((missing, "tensors missing"), (unexpected, "unexpected"))
        if names
    ]
    for attribute in ("shape", "dtype"):
        wrong = [
            name for name in common if getattr(state[name], attribute) != getattr(expected[name], attribute)
        ]
        if wrong:
            have, want = (_describe(getattr(tensors[wrong[0]], attribute)) for tensors in (state, expected))
            phrases.append(f"{len(wrong)} of another {attribute} (first: {wrong[0]} is {have}, not {want})")
    return phrases


def _describe(value: torch.Size | torch.dtype) -> str:
    return "x".join(map(str, value)) or "a scalar" if isinstance(value, torch.Size) else str(value)
