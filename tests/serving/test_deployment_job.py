"""Rows are measured one after the other and kept as they come."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from featherface.checkpoints import WeightsFile
from featherface.engines.protocol import Precision
from featherface.export.variants import ExportFormat, Variant
from featherface.models import MODELS
from featherface.profiling.deployment import Deployment
from featherface.profiling.latency import LatencySettings
from featherface.serving import deployment_job as module
from featherface.serving.benchmark_queue import BenchmarkQueue
from featherface.serving.deployment_job import (
    DeploymentJob,
    DeploymentRequest,
    DeploymentStore,
    UnusableExportError,
)

ONNX = Variant("onnxruntime", Precision.FLOAT32, ExportFormat.ONNX)
INT8 = Variant("onnxruntime", Precision.INT8, ExportFormat.ONNX)
TORCH = Variant("pytorch", Precision.FLOAT32, None)
PATIENCE = 30  # seconds


class Store(DeploymentStore):
    """Exports an archive with one file, and fails for int8."""

    def archive(self, weights: WeightsFile, export_format: ExportFormat, precision: Precision) -> bytes:
        if precision is Precision.INT8:
            raise UnusableExportError("There are no photos.")
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as file:
            file.writestr("featherface_v2.onnx", b"model")
        return data.getvalue()


@pytest.fixture
def measured(monkeypatch) -> list[Path]:
    """Paths of the files that were run; the measurement itself is left out."""
    paths: list[Path] = []

    def measure(source, settings, go_on):
        assert source.path.exists()
        paths.append(source.path)
        if not go_on(1):
            return None
        return Deployment(source.model, source.weights_sha256, source.variant, file_bytes=1)

    monkeypatch.setattr(module, "measure_deployment", measure)
    monkeypatch.setattr(module, "SAMPLE_PHOTOS", ())
    return paths


def job(store: DeploymentStore, weights: Path, *variants: Variant) -> DeploymentJob:
    file = WeightsFile(weights, "v2", "checksum", {}, "shipped")
    rows = tuple(("v2", variant) for variant in variants)
    request = DeploymentRequest({"v2": file}, rows, LatencySettings(runs=2), weights)
    return DeploymentJob(request, store)


@pytest.fixture
def weights(tmp_path) -> Path:
    path = tmp_path / "featherface_v2.safetensors"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def queue() -> BenchmarkQueue:
    return BenchmarkQueue(lambda: {"v2": MODELS["v2"].builder().eval()})


def test_each_row_is_kept_and_a_failed_export_costs_one(queue, measured, weights):
    store = Store()
    added = queue.add(job(store, weights, TORCH, INT8, ONNX))
    assert queue.wait(PATIENCE)

    assert added.state == "finished"
    assert [path.name for path in measured] == [weights.name, "featherface_v2.onnx"]
    assert store.result("checksum", INT8).refused == "There are no photos."
    assert store.result("checksum", ONNX) is store.newest()
    assert store.result("other weights", ONNX) is None
    assert added.share_done == 1


def test_a_stopped_job_keeps_its_rows(queue, measured, weights, monkeypatch):
    store = Store()
    stopping = job(store, weights, TORCH, ONNX)
    monkeypatch.setattr(store, "add", lambda _: stopping.stop())
    queue.add(stopping)
    assert queue.wait(PATIENCE)

    assert stopping.state == "stopped"
    assert len(measured) == 1
    assert 0 < stopping.share_done < 1


def test_equal_requests_are_one_job(queue, measured, weights):
    first, second = job(Store(), weights, TORCH), job(Store(), weights, TORCH)
    assert first.request == second.request
    assert "row 1 of 1, V2 in PyTorch, float32" in first.status
