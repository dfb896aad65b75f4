"""The JSON record beside a weights file: which model, which checksum, how the weights were trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from safetensors import torch as safetensors
from torch import nn

from featherface.checkpoints.fit import require_fit
from featherface.checkpoints.formats import WeightsError, read_file
from featherface.errors import sentence
from featherface.files import write_files
from featherface.models import MODELS, ModelEntry

__all__ = ["WeightsFile", "read_record", "record_path", "save_weights"]

_MAX_RECORD_BYTES = 10**6  # a record is a page of text


@dataclass(frozen=True)
class WeightsFile:
    """One file of weights that fits one model, or a model file of another detector."""

    path: Path  # the name alone, for a file that was uploaded
    key: str  # of the model in MODELS or the detector in OTHER_DETECTORS
    sha256: str  # of the file, hexadecimal
    provenance: Mapping[str, object]  # how the weights were made; empty for a user's own file
    source: Literal["shipped", "user"]
    content: bytes | None = field(default=None, repr=False, compare=False)  # of a file that was uploaded

    def without_content(self) -> WeightsFile:
        """Return the record alone, for whatever outlives the visitor who uploaded the file."""
        return replace(self, content=None)


def record_path(path: Path) -> Path:
    """Return the path of the JSON record of the weights file `path`."""
    return path.with_suffix(".json")


def read_record(path: Path, entry: ModelEntry) -> WeightsFile:
    """Return what the record of the weights file `path` says; the weights themselves are not read.

    Raises WeightsError when the record is missing, invalid or about another model than `entry`.
    """
    name = record_path(path).name
    try:
        record = json.loads(read_file(record_path(path), _MAX_RECORD_BYTES))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{name} is not JSON; restore the record saved with the weights.") from error
    if not isinstance(record, dict) or record.get("trained") is not True:
        raise WeightsError(f'{name} does not say that its weights are trained ("trained": true).')
    kinds = {"model": str, "sha256": str, "provenance": dict}
    invalid = [field for field, kind in kinds.items() if not isinstance(record.get(field), kind)]
    if invalid:
        raise WeightsError(f"{name} has no valid value for {', '.join(invalid)}.")
    if record["model"] != entry.key:
        known = MODELS.get(record["model"])
        described = known.name if known else f"model {record['model']}"
        raise WeightsError(sentence(f"{name} describes {described}, not {entry.name}."))
    return WeightsFile(path, entry.key, record["sha256"], record["provenance"], "shipped")


def save_weights(
    network: nn.Module, entry: ModelEntry, path: Path, provenance: Mapping[str, object]
) -> WeightsFile:
    """Write `network` to `path` (.safetensors) and its record beside it: both or, on a full disk, neither.

    `provenance` is free-form and must be JSON: date, recipe, images, teacher, metrics.
    Raises WeightsError when the network is not `entry`'s or contains NaN, and OSError when it cannot write.
    """
    if path.suffix != ".safetensors":
        raise WeightsError(f"Weights are saved as .safetensors, not as {path.name}.")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    require_fit(path.name, entry, state)
    data = safetensors.save(state)
    weights = WeightsFile(path, entry.key, hashlib.sha256(data).hexdigest(), dict(provenance), "shipped")
    record = {
        "model": weights.key,
        "sha256": weights.sha256,
        "bytes": len(data),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "trained": True,
        "provenance": weights.provenance,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_files({path: data, record_path(path): text.encode()})
    return weights
