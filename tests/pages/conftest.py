"""Pages over a service that finds the same faces every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from types import MappingProxyType

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.checkpoints import WeightsFile, save_weights
from featherface.detection.detections import Detections
from featherface.engines.protocol import EngineInfo, Precision
from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.evaluation.curves import SavedCurves, save_curves
from featherface.evaluation.paired_bootstrap import (
    Difference,
    PrecisionComparison,
    SavedComparison,
    save_comparisons,
)
from featherface.models import MODELS
from featherface.serving.model_service import DetectionResult, ModelService

ROOT = Path(__file__).resolve().parents[2]
ENGINE = EngineInfo("onnxruntime", "ONNX Runtime", "1.32.0", Precision.FLOAT32, 1)


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
    return DetectionResult(
        FOUND[key], spent, (640, 480), weights, "2026-01-01T00:00:00+00:00", from_cache=False, engine=ENGINE
    )


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., AppTest]:
    """A function that opens the detection page with query parameters; `failing` maps models to errors."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(tmp_path))
    monkeypatch.chdir(ROOT)

    def opened(failing: dict[str, Exception] | None = None, **query: str) -> AppTest:
        def candidates(_self: ModelService, _photo: object, key: str, *_: object, **__: object) -> object:
            if key in (failing or {}):
                raise failing[key]
            return result(key)

        monkeypatch.setattr(ModelService, "candidates", candidates)
        monkeypatch.setattr(ModelService, "merged_candidates", candidates)
        st.cache_resource.clear()
        page = AppTest.from_file(str(ROOT / "pages" / "detection.py"), default_timeout=60)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return opened


@pytest.fixture
def found_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model that has weights finds the same faces in any photo."""
    monkeypatch.setattr(ModelService, "candidates", lambda _self, _photo, key, *_, **__: result(key))


@pytest.fixture
def measured_weights(tmp_path: Path, seeded_weights: Path) -> Path:
    """A folder of seeded weights with results by the official protocol, V1 significantly better by 0.1.

    It is the test's own copy, which the test may change.
    """
    copytree(seeded_weights, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="session")
def seeded_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `measured_weights` copies; no test changes it."""
    folder = tmp_path_factory.mktemp("seeded_weights")
    (folder / "evaluation" / "paired").mkdir(parents=True)
    checksums = []
    for key, score in (("v1", 0.9), ("v2", 0.8)):
        entry = MODELS[key]
        weights = save_weights(entry.builder(), entry, folder / entry.weights, {"recipe": "seeded"})
        curve = Curve(np.array([1.0, 0.9]), np.array([0.5, score]), np.array([0.9, 0.02]), 10, score)
        evaluation = Evaluation("WIDER FACE", 20, dict.fromkeys(("easy", "medium", "hard"), curve))
        about = (key, weights.sha256, "val", "original", 640, "2026-01-01T00:00:00+00:00")
        saved = SavedCurves(*about, {"processor": "Processor"}, evaluation)
        save_curves(folder / "evaluation" / f"{key}_val.json", [saved])
        checksums.append(weights.sha256)
    worse = Difference(0.9, 0.8, (-0.15, -0.05), (0.84, 0.94))
    subsets = dict.fromkeys(("easy", "medium", "hard"), worse)
    first, second = checksums
    paired = SavedComparison(
        ("v1", "v2"),
        (first, second),
        "val",
        "original",
        640,
        "2026-01-01T00:00:00+00:00",
        used_for_selection=False,
        comparison=PrecisionComparison("WIDER FACE", 20, subsets, worse),
    )
    save_comparisons(folder / "evaluation" / "paired" / "val.json", [paired])
    return folder
