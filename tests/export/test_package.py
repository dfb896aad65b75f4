"""Exported files, run as another machine would run them."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

from featherface.engines.onnx_graph import onnx_model
from featherface.engines.onnxruntime_engine import OnnxRuntimeEngine
from featherface.engines.openvino_engine import OpenVinoEngine
from featherface.engines.protocol import Engine, Precision
from featherface.export.export_error import ExportError
from featherface.export.int8 import quantised
from featherface.export.package import Export, export_network
from featherface.export.variants import EXPORT_PRECISIONS, ExportFormat
from featherface.models import MODELS, FaceNetwork

SAMPLE = Path(__file__).resolve().parents[2] / "assets/samples/eileen_collins.jpg"
LARGEST_DRIFT = {Precision.FLOAT32: 0.05, Precision.FLOAT16: 0.5, Precision.INT8: 20.0}  # input pixels

Exports = tuple[ExportFormat, Precision, Mapping[str, Export]]
Make = Callable[[ExportFormat, Precision], Mapping[str, Export]]
SIZES = ((32, 32), (33, 57), (129, 255), (64, 96), (97, 161))  # height and width
FULL = [(form, Precision.FLOAT32) for form in ExportFormat]


@pytest.fixture(scope="module")
def exported(networks: Mapping[str, FaceNetwork], faces: list[np.ndarray]) -> Iterator[Make]:
    """A function that returns both models in a format and precision, made once.

    Of int8 for OpenVINO, which takes longest, it is V2 alone: V1 is in int8 for ONNX Runtime.
    """

    @cache
    def make(form: ExportFormat, precision: Precision) -> Mapping[str, Export]:
        slowest = (form, precision) == (ExportFormat.OPENVINO, Precision.INT8)
        return {
            key: export_network(MODELS[key], network, form, precision, faces, faces, "abc123")
            for key, network in networks.items()
            if key == "v2" or not slowest
        }

    with pytest.MonkeyPatch.context() as patch:  # one engine per model that all its files are compared with
        patch.setattr(OnnxRuntimeEngine, "of_network", cache(OnnxRuntimeEngine.of_network))
        yield make


@pytest.fixture(
    scope="module", params=[(form, precision) for form in ExportFormat for precision in EXPORT_PRECISIONS]
)
def exports(request: pytest.FixtureRequest, exported: Make) -> Exports:
    return *request.param, exported(*request.param)


def loaded(export: Export, form: ExportFormat, folder: Path) -> Engine:
    for name, data in export.files.items():
        (folder / name).write_bytes(data)
    if form is ExportFormat.ONNX:
        return OnnxRuntimeEngine(export.files[export.model])
    return OpenVinoEngine.of_file(folder / export.model)


def test_the_same_faces(exports: Exports) -> None:
    _, precision, made = exports
    for export in made.values():
        assert export.parity.faces > 2
        assert export.parity.box_drift < LARGEST_DRIFT[precision]
        if precision is Precision.INT8:
            assert export.parity.gained + export.parity.lost < 0.2 * export.parity.faces
        else:
            assert (export.parity.gained, export.parity.lost) == (0, 0)


@pytest.mark.parametrize("exports", [*FULL, (ExportFormat.ONNX, Precision.INT8)], indirect=True)
def test_any_size_runs(exports: Exports, tmp_path: Path) -> None:
    form, _, made = exports
    for export in made.values():
        engine = loaded(export, form, tmp_path)
        for height, width in SIZES:
            cells = sum(-(-height // stride) * -(-width // stride) for stride in (8, 16, 32))
            outputs = engine.run(np.full((2, height, width, 3), 128, np.uint8))
            assert [output.shape for output in outputs] == [(2, 2 * cells, values) for values in (4, 2, 10)]
            assert all(np.isfinite(output).all() for output in outputs)


def test_files_and_sizes(exports: Exports) -> None:
    form, precision, made = exports
    suffix = "" if precision is Precision.FLOAT32 else f"_{precision}"
    texts = {"README.md", "detect_onnxruntime.py" if form is ExportFormat.ONNX else "detect_openvino.py"}
    for key, export in made.items():
        stem = f"featherface_{key}{suffix}"
        models = {f"{stem}.onnx"} if form is ExportFormat.ONNX else {f"{stem}.xml", f"{stem}.bin"}
        deformable = {f"{stem}_deformconv.onnx"} if form is ExportFormat.ONNX and key == "v1" else set()
        assert set(export.files) == models | deformable | texts
        readme = export.files["README.md"].decode()
        assert "abc123" in readme
        assert "$" not in readme
        assert export.model in readme
        archive = zipfile.ZipFile(io.BytesIO(export.zipped()))
        assert {name: archive.read(name) for name in archive.namelist()} == export.files


@pytest.mark.parametrize("exports", FULL, indirect=True)
def test_the_script_finds_the_face_with_that_engine_alone(exports: Exports, tmp_path: Path) -> None:
    form, _, made = exports
    export = made["v2"]
    loaded(export, form, tmp_path)
    script = next(name for name in export.files if name.endswith(".py"))
    text = export.files[script].decode()
    assert not {"torch", "featherface", "cv2"} & set(text.split())
    if form is ExportFormat.ONNX:  # which reports to its makers unless told not to
        assert 0 < text.find("ORT_DISABLE_TELEMETRY") < text.index("import onnxruntime")
    done = subprocess.run(
        [sys.executable, script, export.model, str(SAMPLE)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    best = done.stdout.splitlines()[0]
    assert float(best.split()[0]) > 0.9
    left, top, right, bottom = (float(part.strip("[],")) for part in best.split()[1:5])
    assert right - left > 50
    assert bottom - top > 50


def test_smaller_precisions_make_smaller_files(
    exported: Make,
) -> None:
    def size(precision: Precision) -> int:
        export = exported(ExportFormat.ONNX, precision)["v2"]
        return len(export.files[export.model])

    assert size(Precision.FLOAT32) > 1.7 * size(Precision.FLOAT16)
    assert size(Precision.FLOAT32) > 1.7 * size(Precision.INT8)


def test_int8_keeps_the_first_stage_and_what_steers_in_float(
    exported: Make,
) -> None:
    exports = exported(ExportFormat.ONNX, Precision.INT8)
    for key, steering in {"v1": ("SpatialGate", ".predictors"), "v2": ("spatial_gate",)}.items():
        graph = onnx.load_from_string(exports[key].files[exports[key].model]).graph
        widened = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
        convolutions = [node for node in graph.node if node.op_type == "Conv"]
        in_float = {node.name for node in convolutions if node.input[1] not in widened}
        expected = ("body.stage1.", *steering)
        assert in_float == {node.name for node in convolutions if any(part in node.name for part in expected)}


def test_refusals(networks: Mapping[str, FaceNetwork]) -> None:
    entry, network = MODELS["v2"], networks["v2"]
    with pytest.raises(ExportError, match="needs calibration images"):
        quantised(onnx_model(network), [])
    with pytest.raises(ExportError, match="float32, float16, int8, not in bfloat16"):
        export_network(entry, network, ExportFormat.ONNX, Precision.BFLOAT16, [])
