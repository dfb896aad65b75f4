"""Read weights files into named tensors, strictly and within bounds.

Formats: safetensors, and PyTorch state dicts (.pth, .pt, .ckpt, .pth.tar), bare as the published FeatherFace
V1 is, or inside a training checkpoint under one of the usual names. Wrappers' prefixes (DataParallel,
torch.compile, Lightning) and profiling buffers (thop) are removed, and half precision becomes float32.
Nothing else is changed.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from featherface.errors import FeatherFaceError

__all__ = [
    "MAX_WEIGHTS_BYTES",
    "SUFFIXES",
    "WeightsError",
    "has_weights_suffix",
    "read_file",
    "read_tensors",
]

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".pth.tar")  # in any case
MAX_WEIGHTS_BYTES = 64 * 10**6  # over ten times what a registered network needs, and harmless in memory
_MAX_PICKLE_BYTES = 4 * 10**6  # names and shapes only; the published V1 has 127 kB
_MAX_NAME = 1_000  # characters
_ZIP_START = b"PK\x03\x04"
# Where training checkpoints keep their weights; the first of these that is present is read. Averaged weights
# (EMA) come first, as they are what a training run evaluates.
_ENTRIES = (
    "ema",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "network",
    "net",
)
_MAX_DEPTH = 4  # of checkpoints inside checkpoints, such as {"ema": {"module": {...}}}
_PREFIXES = ("module.", "_orig_mod.", "model.")  # DataParallel and AveragedModel, torch.compile, Lightning
_EXTRAS = ("total_ops", "total_params", "n_averaged")  # buffers that thop and AveragedModel leave
_HALF = (torch.float16, torch.bfloat16)


class WeightsError(FeatherFaceError):
    """A weights file cannot be used; the message is one sentence that says why."""


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a file of at most `limit` bytes.

    The file is read once, so that what is checked is also what is used. Raises WeightsError.
    """
    try:
        if not path.is_file():
            raise WeightsError(f"There is no file {path.name}; check the name and the folder.")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {error.strerror}.") from error
    if not data:
        raise WeightsError(f"{path.name} is empty; copy or download it again.")
    if len(data) > limit:
        raise WeightsError(f"{path.name} exceeds the limit of {limit // 10**6} MB; choose another file.")
    return data


def has_weights_suffix(path: Path) -> bool:
    """Say whether the file name ends as a weights file's does."""
    return path.name.lower().endswith(SUFFIXES)


def read_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """Return the named CPU tensors in `data`, the content of `path`, whose suffix tells the format.

    Prefixes that all names carry, and profiling buffers, are removed; half precision becomes float32. Raises
    WeightsError.
    """
    if path.name.lower().endswith(".safetensors"):
        tensors = _read_safetensors(path.name, data)
    elif has_weights_suffix(path):
        tensors = _read_pytorch(path.name, data)
    else:
        raise WeightsError(f"{path.name} is not a weights file; its name must end in {', '.join(SUFFIXES)}.")
    weights = {
        name: tensor.float() if tensor.dtype in _HALF else tensor
        for name, tensor in tensors.items()
        if name.split(".")[-1] not in _EXTRAS
    }
    while prefix := _shared_prefix(weights):
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return weights


def _shared_prefix(weights: Mapping[str, Tensor]) -> str:
    """Return the wrapper's prefix that all names carry, or an empty string."""
    shared = (prefix for prefix in _PREFIXES if all(name.startswith(prefix) for name in weights))
    return next(shared, "") if weights else ""


def _read_safetensors(name: str, data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{name} is not a safetensors file, or is damaged or truncated.") from error


def _read_pytorch(name: str, data: bytes) -> dict[str, Tensor]:
    try:
        unpacked = _unpacked_bytes(data)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise WeightsError(
            f"{name} is not a checkpoint as PyTorch 1.6 and later save it, or is damaged or truncated."
        ) from error
    if unpacked > MAX_WEIGHTS_BYTES:
        raise WeightsError(f"{name} would unpack to more than {MAX_WEIGHTS_BYTES // 10**6} MB.")
    try:
        state = torch.load(_checked(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a malformed pickle can raise anything at all
        raise WeightsError(
            f"{name} is damaged or contains more than plain tensors, and only plain tensors are loaded."
        ) from error
    state = _unwrapped(state)
    if not isinstance(state, dict):
        raise WeightsError(f"{name} contains a {type(state).__name__} instead of a state dict.")
    wrong = [str(key) for key, value in state.items() if not isinstance(key, str) or not _is_plain(value)]
    if wrong:
        raise WeightsError(f"{name} is not a state dict: its entry {wrong[0]!r:.80} is not a plain tensor.")
    return state


def _unwrapped(checkpoint: object) -> object:
    """Return the state dict inside a training checkpoint, or the checkpoint itself if it has none."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(checkpoint, dict):
            break
        inner = [checkpoint[name] for name in _ENTRIES if isinstance(checkpoint.get(name), dict)]
        if not inner:
            break
        checkpoint = inner[0]
    return checkpoint


def _unpacked_bytes(data: bytes) -> int:
    """Return how many bytes a zip unpacks to. Raises BadZipFile, also for a zip behind other data.

    PyTorch decides by how a file starts, so it would read the data before the zip, unchecked.
    """
    if not data.startswith(_ZIP_START):
        raise zipfile.BadZipFile("the file does not start as a zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(member.file_size for member in archive.infolist())


def _checked(data: bytes) -> io.BytesIO:
    """Return a new zip of the checked members: PyTorch and Python can see different members in one zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {member.filename: archive.read(member) for member in archive.infolist()}
    checked = io.BytesIO()
    with zipfile.ZipFile(checked, "w") as archive:
        for name, content in members.items():
            if name.endswith(".pkl"):
                _check_pickle(content)
            archive.writestr(zipfile.ZipInfo(name), content)
    checked.seek(0)
    return checked


def _check_pickle(content: bytes) -> None:
    """Raise ValueError for long names: PyTorch's own error message about one takes hours to build."""
    if len(content) > _MAX_PICKLE_BYTES:
        raise ValueError("the pickle is too large")
    for _, argument, _ in pickletools.genops(content):
        if isinstance(argument, str | bytes) and len(argument) > _MAX_NAME:
            raise ValueError("a name is too long")


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu"
