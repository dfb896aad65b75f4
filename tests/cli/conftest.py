"""Fixtures of the commands' tests."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from featherface.checkpoints import save_weights
from featherface.models import MODELS
from featherface.serving import model_service


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder with weights of V2 (random ones, which find plenty of faces) and none of V1."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_weights(MODELS["v2"].builder(), MODELS["v2"], folder / MODELS["v2"].weights, {})
    return folder


@pytest.fixture
def only_v2(trained, monkeypatch) -> None:
    """Have the commands find V2's random weights as the shipped ones, and none of V1."""
    monkeypatch.setattr(model_service, "ModelService", partial(model_service.ModelService, trained))


@pytest.fixture
def write_photo(tmp_path) -> Callable[..., Path]:
    """A function that writes a photo of noise below the test's folder and returns its path."""

    def write(name: str, width: int = 64, height: int = 48) -> Path:
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def manifest(tmp_path) -> Path:
    """Four images of noise with one face each."""
    records = []
    with zipfile.ZipFile(tmp_path / "dev-party.zip", "w") as archive:
        for number in range(4):
            name = f"dev/{number}.png"
            pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
            archive.writestr(name, cv2.imencode(".png", pixels)[1].tobytes())
            record = {"image": name, "width": 64, "height": 48, "source": "party"}
            records.append(json.dumps(record | {"boxes": [[10, 8, 30, 28]]}))
    path = tmp_path / "dev.jsonl"
    path.write_text("\n".join(records))
    return path
