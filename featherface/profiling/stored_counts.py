"""Counts that take seconds, stored for the architectures that they were counted for.

After a change to a network or to a rule, `python -m featherface.profiling.count_again` counts again.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from featherface.models import MODELS
from featherface.profiling.parameters import network_on_meta

__all__ = ["COUNTS_FILE", "architecture_hash", "stored_counts"]

COUNTS_FILE = Path(__file__).with_name("counts.json")
_RULES_VERSION = 1  # of what is counted and how; a change makes what is stored invalid


@lru_cache(maxsize=16)
def architecture_hash(key: str) -> str:
    """Return a SHA-256 of what the counts of model `key` depend on.

    The names, shapes and groups of a model's tensors, its modules with their strides and other settings, and
    the version of the rules.
    """
    entry = MODELS[key]
    network = network_on_meta(entry)
    layout = {
        name: [entry.names.group_of(name), *tensor.shape] for name, tensor in network.state_dict().items()
    }
    text = json.dumps([_RULES_VERSION, layout, repr(network)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def stored_counts(key: str) -> dict[str, Any] | None:
    """Return what is stored for model `key`; None where this architecture was not counted."""
    documents: dict[str, dict[str, Any]] = json.loads(COUNTS_FILE.read_bytes())
    return documents.get(architecture_hash(key))
