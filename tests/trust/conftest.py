"""Seeded weights that find plenty, for a service of which nothing is known but its word."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from featherface.checkpoints import save_weights
from featherface.models import MODELS


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of untrained weights for V2; tests that spoil something do so in a copy."""
    folder = tmp_path_factory.mktemp("weights")
    entry = MODELS["v2"]
    torch.manual_seed(0)
    save_weights(entry.builder(), entry, folder / entry.weights, {"recipe": "seeded, for a test"})
    return folder
