"""What a weights folder offers: shipped weights with their records, and checkpoints that a user put there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from featherface.checkpoints.formats import WeightsError, has_weights_suffix
from featherface.checkpoints.loading import inspect_checkpoint
from featherface.checkpoints.records import WeightsFile, read_record, record_path
from featherface.models import MODELS, ModelEntry

__all__ = ["UserCheckpoint", "shipped_weights", "user_checkpoints"]


@dataclass(frozen=True)
class UserCheckpoint:
    """A checkpoint that a user put into the weights folder, with either its `weights` or a `refusal`."""

    path: Path
    weights: WeightsFile | None
    refusal: str | None


def shipped_weights(entry: ModelEntry, folder: Path) -> WeightsFile | None:
    """Return what the record of `entry`'s shipped weights in `folder` says, or None when there are none.

    The weights file itself is read, and compared with the checksum, by `verify` and `load_network`.
    Raises WeightsError when the record or its file is missing, or the record is invalid.
    """
    path = folder / entry.weights
    if not path.exists() and not record_path(path).exists():
        return None
    weights = read_record(path, entry)
    if not path.exists():
        raise WeightsError(f"{record_path(path).name} describes {path.name}, which is missing.")
    return weights


def user_checkpoints(folder: Path) -> list[UserCheckpoint]:
    """Return the checkpoints in `folder` that are not shipped ones, sorted by name, each checked in full."""
    shipped = {entry.weights for entry in MODELS.values()}
    models = tuple(MODELS)
    found = []
    for path in sorted(folder.glob("*")):
        if has_weights_suffix(path) and path.name not in shipped and path.is_file():
            status = path.stat()
            found.append(_inspect_once(path, status.st_mtime_ns, status.st_size, models))
    return found


@lru_cache(maxsize=64)
def _inspect_once(path: Path, modified_ns: int, size: int, models: tuple[str, ...]) -> UserCheckpoint:
    """Inspect a file again only when its time, its size or the registered models have changed."""
    try:
        return UserCheckpoint(path, inspect_checkpoint(path), None)
    except WeightsError as error:
        return UserCheckpoint(path, None, str(error))
