"""One network as files that another machine runs: the model, a README and a script."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt
import onnx
from torch import nn

from featherface.engines.choice import chosen_engine, load_engine
from featherface.engines.onnx_graph import OPSET, onnx_model
from featherface.engines.onnx_rules import DeformableForm
from featherface.engines.onnxruntime_engine import OnnxRuntimeEngine
from featherface.engines.protocol import Engine, Precision
from featherface.export.export_error import ExportError
from featherface.export.float16 import with_float16_weights
from featherface.export.int8 import quantised
from featherface.export.parity import Parity, parity
from featherface.export.sample_images import calibration_images
from featherface.export.variants import (
    EXPORT_PRECISIONS,
    FORMATS,
    ExportFormat,
    Variant,
    check_runnable,
    file_stem,
    load_variant,
)
from featherface.files import write_files
from featherface.models import ModelEntry
from featherface.models.deformable import has_deformable_convolutions

__all__ = ["Export", "export_network", "exported_engine"]

_TEXTS = Path(__file__).parent


@dataclass(frozen=True)
class _Wording:
    """What README and script say about a format."""

    engine: str
    package: str
    format: str
    imports: str
    run: str
    note: str


_WORDINGS = {
    ExportFormat.ONNX: _Wording(
        engine="ONNX Runtime",
        package="onnxruntime",
        format=f"ONNX, opset {OPSET}, any input size",
        imports="import os\n\n"
        'os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read at the import\n'
        "import onnxruntime",
        run='session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])\n'
        'loc, conf, landm = (output[0] for output in session.run(None, {"image": image}))',
        note="",
    ),
    ExportFormat.OPENVINO: _Wording(
        engine="OpenVINO",
        package="openvino",
        format="OpenVINO IR, any input size",
        imports="import openvino",
        run="core = openvino.Core()\n"
        "network = core.read_model(sys.argv[1])\n"
        "network.reshape([1, height, width, 3])  # a fixed size is up to three times as fast\n"
        'compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})\n'
        "predictions = compiled(image)\n"
        "loc, conf, landm = (predictions[index][0] for index in range(3))",
        note="Fix the size with `reshape`, as the script does: that is up to three times as fast.\n",
    ),
}


@dataclass(frozen=True, eq=False)
class Export:
    """The files of one export, by name, and how the model compares with the network that it was made of."""

    files: Mapping[str, bytes]
    model: str  # name of the file to run
    parity: Parity

    def zipped(self) -> bytes:
        """Return all files as one zip archive."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in self.files.items():
                file.writestr(name, data)
        return archive.getvalue()


def export_network(
    entry: ModelEntry,
    network: nn.Module,
    export_format: ExportFormat,
    precision: Precision,
    samples: Sequence[npt.NDArray[np.uint8]] = (),
    calibration: Sequence[npt.NDArray[np.uint8]] = (),
    weights_sha256: str = "not from a file",
) -> Export:
    """Return `network` as files for another machine.

    `samples` are compared, `calibration` sets the ranges of an int8 export (default: ten of the sample
    photos); both hold (1, H, W, 3) uint8 RGB images. Raises ExportError for another precision, and
    EngineError for a layer that has no ONNX form or where the format's engine is not installed.
    """
    if precision not in EXPORT_PRECISIONS:
        raise ExportError(f"A network is exported in {', '.join(EXPORT_PRECISIONS)}, not in {precision}.")
    if precision is Precision.INT8 and not calibration:
        calibration = calibration_images()
    stem = file_stem(entry.key, precision)
    if export_format is ExportFormat.ONNX:
        files, described, engine = _onnx_files(network, stem, precision, calibration)
    else:
        files, described, engine = _openvino_files(network, stem, precision, calibration)
    compared = parity(OnnxRuntimeEngine.of_network(network), engine, samples)
    model = next(iter(files))
    wording = _WORDINGS[export_format]
    script = f"detect_{wording.package}.py"
    fields = {
        **vars(wording),
        "name": entry.name,
        "precision": precision.value,
        "files": described,
        "weights": weights_sha256,
        "script": script,
        "model": model,
        "parity": f"Compared with the network in float32: {compared}.{_calibrated(precision, calibration)}",
    }
    texts = {"README.md": _filled("readme.txt", fields), script: _filled("detect_script.txt", fields)}
    return Export({**files, **texts}, model, compared)


def exported_engine(
    entry: ModelEntry,
    network: nn.Module,
    engine: str,
    precision: Precision,
    threads: int = 1,
    calibration: Sequence[npt.NDArray[np.uint8]] = (),
) -> Engine:
    """Export `network` for `engine`, a key in ENGINES, and load the file, as another machine would.

    `calibration` as in `export_network`; of two ONNX files, the one with `DeformConv` is loaded. Raises
    EngineError where the engine does not run files in this precision.
    """
    variant = Variant(engine, precision, FORMATS.get(engine))
    check_runnable(variant)
    if variant.format is None:
        return load_engine(network, engine, threads, precision)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = export_network(entry, network, variant.format, variant.stored, calibration=calibration).files
        write_files({folder / file: data for file, data in files.items()})
        faster = folder / replace(variant, deformconv=True).file_name(entry.key, entry.weights)
        path = faster if faster.exists() else folder / variant.file_name(entry.key, entry.weights)
        return load_variant(variant, path, entry.key, threads)


def _calibrated(precision: Precision, calibration: Sequence[npt.NDArray[np.uint8]]) -> str:
    if precision is not Precision.INT8:
        return ""
    return f"\nThe value ranges of int8 come from {len(calibration)} photos."


_Files = tuple[
    dict[str, bytes], str, Engine
]  # by name, the file to run first; what they are; the model, loaded


def _onnx_files(
    network: nn.Module, stem: str, precision: Precision, calibration: Sequence[npt.NDArray[np.uint8]]
) -> _Files:
    names = {DeformableForm.SAMPLED: f"{stem}.onnx", DeformableForm.NATIVE: f"{stem}_deformconv.onnx"}
    models = {DeformableForm.SAMPLED: onnx_model(network, DeformableForm.SAMPLED)}
    if has_deformable_convolutions(network):  # else both are the same
        models[DeformableForm.NATIVE] = onnx_model(network, DeformableForm.NATIVE)
    files = {
        names[form]: _at_precision(model, precision, calibration).SerializeToString()
        for form, model in models.items()
    }
    described = f"- `{names[DeformableForm.SAMPLED]}`: for every engine that reads ONNX opset {OPSET}."
    if DeformableForm.NATIVE in models:
        described += (
            f"\n- `{names[DeformableForm.NATIVE]}`: the same with the operator `DeformConv`, faster where an "
            "engine has it (ONNX Runtime from 1.25)."
        )
    return files, described, OnnxRuntimeEngine(next(iter(files.values())), precision=precision)


def _openvino_files(
    network: nn.Module, stem: str, precision: Precision, calibration: Sequence[npt.NDArray[np.uint8]]
) -> _Files:
    chosen_engine("openvino")
    import openvino  # an extra

    from featherface.engines.openvino_engine import OpenVinoEngine, openvino_model

    model = onnx_model(network, channel_parts=1)
    if precision is Precision.INT8:
        model = quantised(model, calibration)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{stem}.xml")
        converted = openvino_model(model.SerializeToString())
        openvino.save_model(converted, path, compress_to_fp16=precision is Precision.FLOAT16)
        files = {name.name: name.read_bytes() for name in (path, path.with_suffix(".bin"))}
        engine = OpenVinoEngine.of_file(path, precision=precision)
    return files, f"- `{stem}.xml` and `{stem}.bin`: one model; keep them side by side.", engine


def _at_precision(
    model: onnx.ModelProto, precision: Precision, calibration: Sequence[npt.NDArray[np.uint8]]
) -> onnx.ModelProto:
    if precision is Precision.FLOAT16:
        return with_float16_weights(model)
    return quantised(model, calibration) if precision is Precision.INT8 else model


def _filled(name: str, fields: Mapping[str, str]) -> bytes:
    text = Template((_TEXTS / name).read_text(encoding="utf-8"))
    return text.substitute(fields).encode()
