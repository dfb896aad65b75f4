"""The deploy page over a queue and a store that measure nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.checkpoints import WeightsFile
from featherface.dashboard.state.shared_service import deployment_store
from featherface.engines.protocol import Precision
from featherface.evaluation.engine_accuracy import (
    EngineAccuracy,
    VariantAccuracy,
    save_engine_accuracy,
)
from featherface.evaluation.paired_bootstrap import Difference, PrecisionComparison
from featherface.export.parity import Parity
from featherface.export.variants import ExportFormat, Variant
from featherface.models import MODELS
from featherface.profiling.deployment import Deployment
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import Machine
from featherface.serving.benchmark_queue import BenchmarkBusyError, BenchmarkQueue, QueuedJob
from featherface.serving.deployment_job import DeploymentStore, UnusableExportError

ROOT = Path(__file__).resolve().parents[2]
INT8 = Variant("onnxruntime", Precision.INT8, ExportFormat.ONNX)
WHEN = "2026-01-02T03:04:05+00:00"
Open = Callable[..., AppTest]


@pytest.fixture
def checksums(measured_weights: Path) -> dict[str, str]:
    return {
        key: json.loads((measured_weights / entry.weights).with_suffix(".json").read_text())["sha256"]
        for key, entry in MODELS.items()
    }


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, measured_weights: Path) -> Open:
    """A function that opens the page with query parameters, over seeded weights and what was measured."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(measured_weights))
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()

    def opened(*measured: Deployment, **query: str) -> AppTest:
        for result in measured:
            deployment_store().add(result)
        page = AppTest.from_file(str(ROOT / "pages" / "deploy.py"), default_timeout=60)
        page.query_params.update(query)
        return page.run()

    return opened


def measured(sha256: str, model: str = "v1") -> Deployment:
    """V1 in int8, 20 ms per photo in every round."""
    times = {model: {"decode": (5.0,) * 5, "network": (15.0,) * 5}}
    machine = Machine("Processor", 2, 1, 2**33, "System", "3.11", "2.13")
    latency = LatencyResult(LatencySettings(runs=5), machine, WHEN, times, 1.0, True)
    parity = Parity(4, 27, gained=1, lost=2, box_drift=3.5, score_drift=0.1)
    return Deployment(model, sha256, INT8, 1_100_000, 99.0, 150_000_000, latency, parity)


def save_accuracy(folder: Path, sha256: str) -> None:
    worse = Difference(0.9, 0.88, (-0.03, -0.01), (0.95, 0.99))
    comparison = PrecisionComparison("WIDER FACE", 323, {"easy": worse, "hard": worse}, worse)
    rows = (VariantAccuracy(INT8.key, "1.0", 1_100_000, comparison),)
    (folder / "evaluation" / "engines").mkdir(parents=True)
    path = folder / "evaluation" / "engines" / "v1.json"
    save_engine_accuracy(path, EngineAccuracy("v1", sha256, "val", WHEN, False, rows))


def int8_row(page: AppTest) -> dict[str, object]:
    table = page.dataframe[0].value
    chosen = (table["Model"] == "V1") & (table["Precision"] == "int8") & (table["Engine"] == "ONNX Runtime")
    return table[chosen].iloc[0].to_dict()


def test_every_engine_and_precision_has_a_row_and_nothing_is_measured_unasked(open_page):
    page = open_page()

    assert not page.exception
    table = page.dataframe[0].value
    for _, rows in table.groupby("Model"):
        assert {"ONNX Runtime", "OpenVINO", "PyTorch"} <= set(rows["Engine"])
        assert not rows.duplicated(["Engine", "Precision"]).any()
        assert set(rows["Precision"]) == {precision.value for precision in Precision}
    assert set(table["Latency and memory"]) == {"Not measured yet"}
    assert sum("has not been measured with the current weights" in line.value for line in page.caption) == 2


def test_what_was_measured_stands_in_its_row(open_page, checksums):
    page = open_page(measured(checksums["v1"]))

    row = int8_row(page)
    assert row["Latency and memory"] == "Measured"
    assert (row["p50 (ms)"], row["Images/s"], row["Peak memory (MB)"]) == (20.0, 50.0, 150.0)
    assert (row["Faces gained"], row["Faces lost"], row["Largest box drift (px)"]) == (1, 2, 3.5)
    assert row["Command"] == "featherface export --model v1 --format onnx --precision int8 --out exports"


def test_results_of_other_weights_do_not_count(open_page, measured_weights):
    save_accuracy(measured_weights, "other weights")
    page = open_page(measured("other weights"))

    row = int8_row(page)
    assert row["Latency and memory"] == "Not measured yet"
    assert pd.isna(row["AP, mean"])
    assert any("FeatherFace V1 by engine has not been measured" in line.value for line in page.caption)


def test_shipped_average_precision_stands_beside_its_difference(open_page, measured_weights, checksums):
    save_accuracy(measured_weights, checksums["v1"])
    page = open_page(deploy_models=MODELS["v1"].name, deploy_subset="hard")

    row = int8_row(page)
    assert (row["AP, hard"], row["AP difference to float32"]) == (0.88, "-0.020 (-0.030 to -0.010)")
    assert row["File size (MB)"] == 1.1
    assert not any("has not been measured" in line.value for line in page.caption)


def test_a_refusal_says_why_and_can_be_hidden(open_page, checksums):
    refusal = Deployment("v1", checksums["v1"], INT8, refused="It has no DeformConv.")
    page = open_page(refusal)

    assert int8_row(page)["Latency and memory"] == "Refused because: It has no DeformConv."
    assert "DeformConv" in page.expander[0].markdown[0].value
    rows = len(page.dataframe[0].value)
    page.toggle(key="hide_refused").set_value(True).run()
    assert len(page.dataframe[0].value) == rows - 1


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[QueuedJob]:
    """The jobs that the page adds to the queue; each has ended by then."""
    jobs: list[QueuedJob] = []

    def add(_queue: BenchmarkQueue, job: QueuedJob) -> QueuedJob:
        job.state = "finished"
        jobs.append(job)
        return job

    monkeypatch.setattr(BenchmarkQueue, "add", add)
    return jobs


def test_the_button_measures_the_rows_shown(open_page, added):
    page = open_page(deploy_models=MODELS["v2"].name, deploy_runs="30")
    page.button[0].click().run()

    assert not page.exception
    (job,) = added
    assert {model for model, _ in job.request.rows} == {"v2"} == set(job.request.weights)
    assert len(job.request.rows) == len(page.dataframe[0].value)
    assert (job.request.settings.runs, job.request.settings.threads) == (30, 1)


def test_a_full_queue_is_a_sentence(open_page, monkeypatch):
    def add(*_: object) -> QueuedJob:
        raise BenchmarkBusyError("8 benchmarks are already queued; try again in a few minutes.")

    monkeypatch.setattr(BenchmarkQueue, "add", add)
    page = open_page()
    page.button[0].click().run()

    assert "try again in a few minutes" in page.error[0].value


def test_without_weights_there_is_nothing_to_deploy(open_page, monkeypatch, tmp_path):
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(tmp_path / "empty"))
    page = open_page()

    assert "no model has usable weights" in page.info[0].value.lower()


def test_an_export_that_fails_is_a_sentence(tmp_path):
    weights = WeightsFile(tmp_path / "none.safetensors", "v1", "checksum", {}, "shipped")
    with pytest.raises(UnusableExportError, match=r"none\.safetensors"):
        DeploymentStore().archive(weights, ExportFormat.ONNX, Precision.FLOAT32)


@pytest.mark.parametrize(
    ("model", "export_format", "models"),
    [
        pytest.param(
            "v1", "onnx", ["featherface_v1.onnx", "featherface_v1_deformconv.onnx"], id="both forms"
        ),
        pytest.param("v1", "openvino", [], id="OpenVINO has one"),
        pytest.param("v2", "onnx", [], id="no deformable convolutions"),
    ],
)
def test_the_page_says_where_a_zip_holds_two_models(open_page, model, export_format, models):
    page = open_page(export_model=MODELS[model].name)
    page.get_by_key("export_format").set_value(export_format).run()

    (line,) = (one.value for one in page.markdown if one.value.startswith("The zip holds"))
    assert ("the model twice" in line) == bool(models)
    assert all(f"`{name}`" in line for name in models)
