"""Training checkpoints: everything that a killed run needs to go on as if nothing had happened."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from featherface.errors import FeatherFaceError

__all__ = ["CheckpointError", "load_checkpoint", "save_checkpoint"]


class CheckpointError(FeatherFaceError):
    """A training checkpoint cannot be read or written; the message names the file."""


def save_checkpoint(state: dict[str, object], path: Path) -> None:
    """Write `state` to `path` in one step: a full disk or a kill leaves the checkpoint before it whole."""
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise CheckpointError(f"{path} cannot be written, the one before it is kept: {error}.") from error


def load_checkpoint(path: Path) -> dict[str, Tensor | dict | int | float]:
    """Read a checkpoint written by `save_checkpoint`, on the CPU."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a malformed pickle can raise anything at all
        raise CheckpointError(f"{path} is not a readable training checkpoint.") from error
    if not isinstance(state, dict) or not {"model", "ema", "step"} <= state.keys():
        raise CheckpointError(f"{path} is not a training checkpoint of this project.")
    return state
