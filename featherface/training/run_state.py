"""The saved state of a training run: everything it needs to continue as if it had not been interrupted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from featherface.errors import FeatherFaceError

__all__ = ["RunStateError", "load_run_state", "save_run_states"]


class RunStateError(FeatherFaceError):
    """The state of a training run cannot be read or written; the message names the file."""


def save_run_states(states: Mapping[Path, Mapping[str, object]]) -> None:
    """Write each state to its path; no path is touched before all states are on the disk.

    After a full disk or a crash the previous files are intact. Raises RunStateError.
    """
    partials = {path: path.with_suffix(".partial") for path in states}
    try:
        for path, state in states.items():
            with partials[path].open("wb") as file:
                torch.save(dict(state), file)
                file.flush()
                os.fsync(file.fileno())
        for path, partial in partials.items():
            partial.replace(path)
    except (OSError, RuntimeError) as error:
        for partial in partials.values():
            partial.unlink(missing_ok=True)
        raise RunStateError(
            f"{path} cannot be written: {error}. The previous file is unchanged; free disk space and retry."
        ) from error


def load_run_state(path: Path) -> dict[str, Any]:
    """Return the state in `path`, with its tensors on the CPU. Raises RunStateError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a malformed pickle can raise any exception
        raise RunStateError(
            f"{path} is damaged and cannot be read; delete it to start the run again."
        ) from error
    if not isinstance(state, dict) or not {"model", "ema", "step"} <= state.keys():
        raise RunStateError(f"{path} is not the state of a training run of this project.")
    return state
