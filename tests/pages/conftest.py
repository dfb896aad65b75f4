"""The detection page over a service that finds the same faces every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.detection.detections import Detections
from featherface.service import DetectionResult, ModelService
from featherface.weights import WeightsFile

ROOT = Path(__file__).resolve().parents[2]
OpenPage = Callable[..., AppTest]


def faces(*lefts_and_scores: tuple[float, float]) -> Detections:
    """Square faces of 40 pixels in a row, landmarks in their middle."""
    lefts, scores = np.asarray(lefts_and_scores, np.float32).reshape(-1, 2).T
    boxes = np.stack((lefts, np.full_like(lefts, 50), lefts + 40, np.full_like(lefts, 90)), axis=1)
    landmarks = np.repeat(((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None], 5, axis=1)
    return Detections(boxes, scores, landmarks)


FOUND = {
    "v1": faces((10, 0.95), (100, 0.9), (200, 0.6)),
    "v2": faces((12, 0.9), (102, 0.55), (300, 0.52), (400, 0.3)),
}


def result(key: str) -> DetectionResult:
    """What the service gives for any photo."""
    spent = MappingProxyType({"preprocess": 1.0, "network": 20.0, "postprocess": 2.0})
    weights = WeightsFile(Path(f"{key}.safetensors"), key, f"checksum of {key}", {}, "shipped")
    return DetectionResult(FOUND[key], spent, (640, 480), weights, from_cache=False)


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OpenPage:
    """A function that opens the detection page with query parameters; `failing` maps models to errors."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(tmp_path))
    monkeypatch.chdir(ROOT)

    def opened(failing: dict[str, Exception] | None = None, **query: str) -> AppTest:
        def candidates(_self: ModelService, _photo: object, key: str, *_: object, **__: object) -> object:
            if key in (failing or {}):
                raise failing[key]
            return result(key)

        monkeypatch.setattr(ModelService, "candidates", candidates)
        st.cache_resource.clear()
        page = AppTest.from_file(str(ROOT / "pages" / "detection.py"), default_timeout=60)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return opened
