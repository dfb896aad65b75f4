"""A small detector and a folder of images to run it on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from featherface.evaluation.run import Predictor
from featherface.models.v2 import FeatherFaceV2


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """V2 with seeded random weights: finds nonsense, quickly and always the same."""
    torch.manual_seed(0)
    return Predictor(FeatherFaceV2())


@pytest.fixture
def wider_folder(tmp_path: Path) -> Path:
    """Six different images of 48 x 40 pixels, laid out as EVENT/NAME.jpg."""
    random = np.random.default_rng(0)
    for index in range(6):
        path = tmp_path / "images" / f"{index % 2}--Event" / f"picture_{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), random.integers(0, 255, (40, 48, 3), np.uint8))
    return tmp_path / "images"
