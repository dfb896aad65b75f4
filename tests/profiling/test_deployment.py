"""One way to run a model, measured in a process of its own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from featherface.checkpoints import load_network
from featherface.config import WEIGHTS_DIR
from featherface.engines.onnx_graph import onnx_model
from featherface.engines.onnx_rules import DeformableForm
from featherface.engines.protocol import EngineError, Precision
from featherface.engines.pytorch_engine import PyTorchEngine
from featherface.export.package import export_network
from featherface.export.parity import found_faces
from featherface.export.sample_images import input_images
from featherface.export.variants import ExportFormat, Variant, check_runnable, model_variants
from featherface.models import MODELS
from featherface.profiling.deployment import DeploymentSource, measure_deployment
from featherface.profiling.latency import LatencySettings
from featherface.profiling.photo_timing import STAGES

SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "eileen_collins.jpg"
SETTINGS = LatencySettings(128, 128, runs=3, warmup=1)
FLOAT32 = Variant("onnxruntime", Precision.FLOAT32, ExportFormat.ONNX)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> DeploymentSource:
    """V2 as an ONNX file."""
    entry = MODELS["v2"]
    network = load_network(entry, WEIGHTS_DIR / entry.weights)
    folder = tmp_path_factory.mktemp("export")
    for name, data in export_network(entry, network, ExportFormat.ONNX, Precision.FLOAT32).files.items():
        (folder / name).write_bytes(data)
    reference = tuple(found_faces(PyTorchEngine(network), input_images([SAMPLE])))
    path = folder / FLOAT32.file_name("v2", entry.weights)
    return DeploymentSource("v2", "sha", FLOAT32, path, SAMPLE, (SAMPLE,), reference)


def test_a_file_is_measured_without_pytorch(source):
    rounds: list[int] = []
    found = measure_deployment(source, SETTINGS, lambda done: not rounds.append(done))

    assert rounds == [1, 2, 3, 4]
    assert found.refused == ""
    assert found.file_bytes == source.path.stat().st_size
    assert tuple(found.latency.milliseconds["v2"]) == STAGES
    assert (found.latency.rounds, found.latency.settings.engine) == (3, "onnxruntime")
    assert (found.parity.faces, found.parity.gained, found.parity.lost) == (1, 0, 0)
    assert found.parity.box_drift < 0.05
    if sys.platform == "linux":
        assert 20e6 < found.peak_bytes < 300e6  # PyTorch alone takes more


def test_a_measurement_can_be_stopped_between_rounds(source):
    assert measure_deployment(source, replace(SETTINGS, runs=100_000), lambda done: done < 2) is None


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        pytest.param(replace(FLOAT32, precision=Precision.BFLOAT16), "not bfloat16", id="precision"),
        pytest.param(Variant("pytorch", Precision.INT8, None), "PyTorch runs float32 here", id="engine"),
    ],
)
def test_a_precision_that_the_engine_does_not_run_is_refused(variant, reason):
    with pytest.raises(EngineError, match=reason):
        check_runnable(variant)


def test_an_engine_that_dies_costs_its_row(source, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    found = measure_deployment(replace(source, path=broken), SETTINGS, lambda _: True)

    assert found.refused.startswith("ONNX Runtime ended with status 1")


def test_a_refusal_is_a_result_in_the_engines_own_words(tmp_path):
    entry = MODELS["v1"]
    network = load_network(entry, WEIGHTS_DIR / entry.weights)
    variant = Variant("openvino", Precision.FLOAT32, ExportFormat.ONNX, deformconv=True)
    path = tmp_path / variant.file_name("v1", entry.weights)
    path.write_bytes(onnx_model(network, DeformableForm.NATIVE).SerializeToString())
    source = DeploymentSource("v1", "sha", variant, path, SAMPLE, (), ())
    found = measure_deployment(source, SETTINGS, lambda _: True)

    assert "No conversion rule found for operations: DeformConv" in found.refused
    assert found.latency is None


@pytest.mark.parametrize("deformable", [False, True])
def test_every_engine_has_every_precision_once(deformable):
    found = model_variants(deformable=deformable)

    assert len({variant.key for variant in found}) == len(found) == 12 + 4 * deformable
    assert {variant.precision for variant in found} == set(Precision)
