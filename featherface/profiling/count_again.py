"""Count every registered model again for `counts.json`: `python -m featherface.profiling.count_again`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from featherface.config import DEFAULT_INPUT_SIZE
from featherface.files import write_files
from featherface.models import MODELS
from featherface.profiling.complexity import SWEEP_INPUT_SIZES, VGA, count_cost
from featherface.profiling.operators import study_macs
from featherface.profiling.receptive_field import measure_receptive_fields
from featherface.profiling.stored_counts import COUNTS_FILE, architecture_hash

__all__ = ["write_counts"]


def write_counts(path: Path = COUNTS_FILE) -> None:
    """Store the costs of every registered model, of the sweep and at VGA size, and its receptive fields."""
    sizes = [*((size, size) for size in SWEEP_INPUT_SIZES), VGA]
    document = {
        architecture_hash(key): {
            "study_macs": study_macs(key, DEFAULT_INPUT_SIZE, DEFAULT_INPUT_SIZE),
            "receptive_fields": [asdict(one) for one in measure_receptive_fields(key)],
            "costs": [asdict(count_cost(key, height, width)) for height, width in sizes],
        }
        for key in MODELS
    }
    write_files({path: f"{json.dumps(document, indent=1)}\n".encode()})


if __name__ == "__main__":
    write_counts()
