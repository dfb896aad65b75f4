"""Build networks from weights files, and check weights files in full."""

from __future__ import annotations

import hashlib
from pathlib import Path

from featherface.checkpoints.fit import closest_model, require_fit
from featherface.checkpoints.formats import MAX_WEIGHTS_BYTES, WeightsError, read_file, read_tensors
from featherface.checkpoints.records import WeightsFile
from featherface.models import FaceNetwork, ModelEntry

__all__ = ["inspect_checkpoint", "load_network", "verify"]


def load_network(entry: ModelEntry, path: Path, sha256: str | None = None) -> FaceNetwork:
    """Build the network of `entry` with the weights in `path`, in evaluation mode on the CPU.

    With `sha256` the file must have exactly this checksum. Raises WeightsError.
    """
    data = read_file(path, MAX_WEIGHTS_BYTES)
    if sha256 is not None:
        _require_checksum(path, data, sha256)
    state = read_tensors(path, data)
    require_fit(path.name, entry, state)
    network = entry.builder()
    network.load_state_dict(state, strict=True)
    return network.eval()


def inspect_checkpoint(path: Path, entry: ModelEntry | None = None) -> WeightsFile:
    """Check a user's checkpoint in full, against `entry` or else the model with the most tensors in common.

    Raises WeightsError.
    """
    data = read_file(path, MAX_WEIGHTS_BYTES)
    state = read_tensors(path, data)
    entry = entry or closest_model(path.name, state)
    require_fit(path.name, entry, state)
    return WeightsFile(path, entry.key, hashlib.sha256(data).hexdigest(), {}, "user")


def verify(weights: WeightsFile) -> None:
    """Raise WeightsError unless the file still has the checksum that `weights` names."""
    _require_checksum(weights.path, read_file(weights.path, MAX_WEIGHTS_BYTES), weights.sha256)


def _require_checksum(path: Path, data: bytes, sha256: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError(
            f"{path.name} does not match the checksum in its record; restore the original file."
        )
