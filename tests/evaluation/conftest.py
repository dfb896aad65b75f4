"""A small detector and a folder of images to run it on."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from featherface.evaluation.manifest import Record, read_manifest
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
        path = tmp_path / "images" / f"{index % 2}--Event" / f"image_{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), random.integers(0, 255, (40, 48, 3), np.uint8))
    return tmp_path / "images"


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Two records of a manifest, with images of 64 x 48 pixels in a zip and one labelled face each."""
    random = np.random.default_rng(0)
    lines = []
    with zipfile.ZipFile(tmp_path / "dev-noise.zip", "w") as archive:
        for name in ("a.png", "b.png"):
            encoded = cv2.imencode(".png", random.integers(0, 255, (48, 64, 3), np.uint8))[1]
            archive.writestr(name, encoded.tobytes())
            lines.append(
                json.dumps(
                    {"image": name, "width": 64, "height": 48, "source": "noise", "boxes": [[4, 4, 24, 40]]}
                )
            )
    (tmp_path / "dev.jsonl").write_text("\n".join(lines))
    return read_manifest(tmp_path / "dev.jsonl")
