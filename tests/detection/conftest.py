"""Fixtures of the detection tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from featherface.checkpoints import load_network, shipped_weights
from featherface.config import WEIGHTS_DIR
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector
from featherface.engines.choice import installed_engines, load_engine
from featherface.models import MODELS


@pytest.fixture(scope="session")
def v1_detector() -> Detector:
    """V1 with the shipped weights, in the default engine."""
    shipped = shipped_weights(MODELS["v1"], WEIGHTS_DIR)
    return Detector(load_engine(load_network(MODELS["v1"], shipped.path, shipped.sha256)))


@pytest.fixture(scope="session", params=installed_engines())
def published_v1_detector(request: pytest.FixtureRequest, shared: Path) -> Detector:
    """V1 with the published weights, which the repository does not contain, in each engine."""
    network = load_network(MODELS["v1"], shared / "checkpoints/featherface_v1_published.pth")
    return Detector(load_engine(network, request.param))


@pytest.fixture
def faces() -> Callable[..., Detections]:
    """Builder of detections from boxes, with scores that fall from 0.9 and landmarks at the box centre."""

    def build(*boxes: tuple[float, float, float, float]) -> Detections:
        corners = np.array(boxes, np.float32).reshape(-1, 4)
        centres = (corners[:, :2] + corners[:, 2:]) / 2
        scores = np.linspace(0.9, 0.5, len(corners), dtype=np.float32)
        return Detections(corners, scores, np.repeat(centres[:, None], 5, axis=1))

    return build
