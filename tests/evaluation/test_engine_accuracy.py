"""Average precision by engine: the file survives, and detections are kept from run to run."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from featherface.checkpoints import WeightsFile, load_network
from featherface.config import WEIGHTS_DIR
from featherface.engines.protocol import Precision
from featherface.evaluation import engine_accuracy as module
from featherface.evaluation.engine_accuracy import (
    EngineAccuracy,
    EngineAccuracyError,
    VariantAccuracy,
    load_engine_accuracy,
    measure_variants,
    save_engine_accuracy,
    variants_of,
)
from featherface.evaluation.ground_truth import Faces, GroundTruth, Subset
from featherface.evaluation.image_sets import EncodedImage
from featherface.evaluation.paired_bootstrap import Difference, PrecisionComparison
from featherface.evaluation.predictions import PredictionsError
from featherface.export.variants import ExportFormat, Variant
from featherface.models import MODELS

SAMPLES = WEIGHTS_DIR.parent / "assets" / "samples"
SAME = Difference(0.9, 0.88, (-0.03, 0.0), (0.97, 1.0))
ROW = VariantAccuracy("openvino-int8", "1.0", 12, PrecisionComparison("WIDER FACE", 9, {"easy": SAME}, SAME))
FOUND = EngineAccuracy(
    "v2",
    "sha",
    "val",
    "2026-01-01T00:00:00+00:00",
    True,
    (
        VariantAccuracy(
            "openvino-int8", "1.0", 12, PrecisionComparison("WIDER FACE", 9, {"easy": SAME}, SAME)
        ),
    ),
)


def test_what_was_saved_is_read(tmp_path):
    save_engine_accuracy(tmp_path / "v2.json", FOUND)

    assert load_engine_accuracy(tmp_path / "v2.json") == FOUND


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("rows", 1, id="no list"),
        pytest.param("rows", [{}], id="empty row"),
        pytest.param("date", "today", id="date"),
        pytest.param("used_for_selection", 1, id="no truth value"),
        pytest.param("model", None, id="no model"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, field, value):
    path = tmp_path / "v2.json"
    save_engine_accuracy(path, FOUND)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, field: value}))

    with pytest.raises(EngineAccuracyError, match="not a readable file of average precision"):
        load_engine_accuracy(path)


@pytest.fixture
def weights() -> WeightsFile:
    entry = MODELS["v2"]
    record = json.loads((WEIGHTS_DIR / entry.weights).with_suffix(".json").read_text())
    return WeightsFile(WEIGHTS_DIR / entry.weights, "v2", record["sha256"], {}, "shipped")


@pytest.fixture
def two_ways(monkeypatch) -> None:
    """Only PyTorch and ONNX Runtime, and one way that is refused."""
    ways = (
        Variant("pytorch", Precision.FLOAT32, None),
        Variant("onnxruntime", Precision.FLOAT32, ExportFormat.ONNX),
        Variant("onnxruntime", Precision.BFLOAT16, ExportFormat.ONNX),
    )
    monkeypatch.setattr(module, "variants_of", lambda _: ways)


def test_a_second_run_continues_with_the_detections_of_the_first(tmp_path, weights, two_ways, monkeypatch):
    name = "eileen_collins.jpg"
    image = EncodedImage(name, name, (SAMPLES / name).read_bytes)
    face = Faces(np.array([[180.0, 60.0, 270.0, 190.0]]), {"all": np.array([True])})
    truth = GroundTruth("heights", (Subset("all"),), {name: face})
    first = list(measure_variants(weights, [image], truth, tmp_path))

    assert [row.variant for row in first] == ["pytorch-float32", "onnxruntime-float32"]
    assert all(row.file_bytes > 10**6 for row in first)
    assert {row.comparison.images for row in first} == {1}

    def nothing(*_: object, finished, **__: object):
        return list(finished)

    monkeypatch.setattr(module, "predict_images", nothing)
    again = list(measure_variants(weights, [image], truth, tmp_path))
    assert [row.comparison.mean.second for row in again] == [row.comparison.mean.second for row in first]

    monkeypatch.setattr(module, "export_network", changed(module.export_network))
    with pytest.raises(PredictionsError, match=r"v2-onnxruntime-float32\.jsonl was made with other"):
        list(measure_variants(weights, [image], truth, tmp_path))
    record = tmp_path / "v2-pytorch-float32.jsonl.run.json"
    record.write_text(record.read_text().replace(weights.sha256, "other"))
    with pytest.raises(PredictionsError, match="other weights"):
        list(measure_variants(weights, [image], truth, tmp_path))


def changed(export_network):
    """Export as before, with one byte in the files that the rules of the export now write differently."""

    def export(*arguments):
        made = export_network(*arguments)
        model = onnx.load_from_string(made.files[made.model])
        model.doc_string = "new rules"
        return replace(made, files={**made.files, made.model: model.SerializeToString()})

    return export


@pytest.mark.parametrize(("key", "count"), [("v1", 16), ("v2", 12)])
def test_the_reference_comes_first_and_deformable_models_have_second_files(key, count):
    entry = MODELS[key]
    found = variants_of(load_network(entry, WEIGHTS_DIR / entry.weights))

    assert found[0] == Variant("pytorch", Precision.FLOAT32, None)
    assert len(found) == count
