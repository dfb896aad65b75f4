"""Networks with the weights that ship, and images with faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from featherface.checkpoints import load_network
from featherface.config import WEIGHTS_DIR
from featherface.export.sample_images import input_images
from featherface.models import MODELS, FaceNetwork

SAMPLES = Path(__file__).resolve().parents[2] / "assets/samples"


@pytest.fixture(scope="session")
def networks() -> Mapping[str, FaceNetwork]:
    return {key: load_network(entry, WEIGHTS_DIR / entry.weights) for key, entry in MODELS.items()}


@pytest.fixture(scope="session")
def faces() -> list[np.ndarray]:
    """Two small photos with faces, of different odd sizes."""
    return input_images([SAMPLES / "eileen_collins.jpg", SAMPLES / "size_ladder.jpg"], input_size=321)
