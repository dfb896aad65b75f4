"""A tiny set of training images, packed as a manifest with its zips."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def manifest(tmp_path_factory) -> Path:
    """Eight labelled scenes of two bright ellipses on noise, eight portraits of one, eight images of none."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(3)
    lines = []
    for source, size, faces in (("scenes", 320, 2), ("portraits", 64, 1), ("blank", 64, 0)):
        with zipfile.ZipFile(folder / f"train-{source}.zip", "w") as archive:
            for number in range(8):
                pixels = rng.integers(0, 90, (size, size, 3), dtype=np.uint8)
                boxes = [_ellipse(pixels, rng, size, place, faces) for place in range(faces)]
                name = f"train/{source}/{number}.png"
                archive.writestr(name, cv2.imencode(".png", pixels)[1].tobytes())
                record = {
                    "image": name,
                    "width": size,
                    "height": size,
                    "source": source,
                    "boxes": boxes,
                    "ignore": [False] * faces,
                    "landmarks": [_points(box) for box in boxes],
                    "landmark_source": "drawn",
                }
                lines.append(json.dumps(record))
    path = folder / "train.jsonl"
    path.write_text("\n".join(lines))
    return path


def _ellipse(pixels: np.ndarray, rng: np.random.Generator, size: int, place: int, faces: int) -> list[float]:
    wide = size // faces
    centre = (place * wide + wide // 2, int(rng.integers(size // 3, size - size // 3)))
    axes = (wide // 5, wide // 4)
    cv2.ellipse(pixels, centre, axes, 0, 0, 360, (200, 210, 230), -1)
    return [
        float(centre[0] - axes[0]),
        float(centre[1] - axes[1]),
        float(centre[0] + axes[0]),
        float(centre[1] + axes[1]),
    ]


def _points(box: list[float]) -> list[float]:
    x1, y1, x2, y2 = box
    shares = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    return [value for x, y in shares for value in (x1 + x * (x2 - x1), y1 + y * (y2 - y1))]
