"""The ways to run one model: an engine, a precision, and the file that the engine loads.

Imports neither PyTorch nor an engine before it must, so that a process that runs a file measures that engine
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path

from featherface.engines.choice import ENGINES
from featherface.engines.protocol import Engine, EngineError, Precision
from featherface.errors import install_hint

__all__ = [
    "EXPORT_PRECISIONS",
    "FORMATS",
    "ExportFormat",
    "Variant",
    "check_runnable",
    "file_stem",
    "load_variant",
    "model_bytes",
    "model_files",
    "model_variants",
]

EXPORT_PRECISIONS = (Precision.FLOAT32, Precision.FLOAT16, Precision.INT8)  # that a file is stored in


class ExportFormat(StrEnum):
    """What runs the files."""

    ONNX = "onnx"
    OPENVINO = "openvino"


FORMATS = {
    "onnxruntime": ExportFormat.ONNX,
    "openvino": ExportFormat.OPENVINO,
}  # of exported files, by engine


@dataclass(frozen=True)
class Variant:
    """One way to run a model.

    format: of the exported file; None for the weights file. deformconv: the ONNX file with the operator
    `DeformConv`, which is a second file of models with deformable convolutions.
    """

    engine: str  # key in ENGINES
    precision: Precision
    format: ExportFormat | None
    deformconv: bool = False

    @property
    def key(self) -> str:
        """Return a name for files and tables, such as "onnxruntime-int8-deformconv"."""
        return f"{self.engine}-{self.precision}" + ("-deformconv" if self.deformconv else "")

    @property
    def engine_name(self) -> str:
        """Return the engine for people, with the operator where there are two files."""
        return ENGINES[self.engine].name + (" (DeformConv)" if self.deformconv else "")

    @property
    def stored(self) -> Precision:
        """Return the precision of the file: an engine computes in bfloat16 with a float32 file."""
        return self.precision if self.precision in EXPORT_PRECISIONS else Precision.FLOAT32

    def file_name(self, model: str, weights: str) -> str:
        """Return the name of the file to load.

        model: key in MODELS. weights: the name of its weights file.
        """
        if self.format is None:
            return weights
        stem = file_stem(model, self.stored)
        if self.format is ExportFormat.OPENVINO:
            return f"{stem}.xml"
        return f"{stem}_deformconv.onnx" if self.deformconv else f"{stem}.onnx"

    def command(self, model: str) -> str:
        """Return the command that writes the file; empty for the weights, which are there."""
        if self.format is None:
            return ""
        options = f"--model {model} --format {self.format} --precision {self.stored}"
        return f"featherface export {options} --out exports"


def file_stem(model: str, precision: Precision) -> str:
    """Return the name of an exported file without its extension."""
    return f"featherface_{model}" + ("" if precision is Precision.FLOAT32 else f"_{precision}")


def model_variants(*, deformable: bool) -> tuple[Variant, ...]:
    """Return every engine at every precision, also where the engine refuses it.

    deformable: the model has deformable convolutions, so ONNX Runtime and OpenVINO get the second file too.
    """
    variants = [
        Variant(engine, precision, FORMATS.get(engine)) for engine, precision in product(ENGINES, Precision)
    ]
    if deformable:
        onnx = ExportFormat.ONNX
        variants += [Variant("onnxruntime", precision, onnx, True) for precision in EXPORT_PRECISIONS]
        variants.append(Variant("openvino", Precision.FLOAT32, onnx, True))
    return tuple(sorted(variants, key=lambda variant: list(ENGINES).index(variant.engine)))


def model_files(path: Path) -> tuple[Path, ...]:
    """Return the files that make up the model `path`: an OpenVINO .xml and its .bin belong together."""
    return (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)


def model_bytes(path: Path) -> int:
    """Return the bytes of a model, all its files together."""
    return sum(file.stat().st_size for file in model_files(path))


def check_runnable(variant: Variant) -> None:
    """Raise EngineError where the engine is not installed or does not run files in this precision."""
    entry = ENGINES[variant.engine]
    if not entry.installed:
        raise EngineError(f"{entry.name} is not installed; {install_hint('engines')}.")
    if variant.precision not in entry.file_precisions:
        choices = ", ".join(entry.file_precisions)
        raise EngineError(f"{entry.name} runs {choices} here, not {variant.precision}.")


def load_variant(variant: Variant, path: Path, model: str, threads: int = 1) -> Engine:
    """Load the file at `path`: the exported one, or the weights of `model`, a key in MODELS.

    Raises EngineError where the engine is not installed or refuses the precision or the file.
    """
    check_runnable(variant)
    if variant.engine == "onnxruntime":
        from featherface.engines.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path.read_bytes(), threads, variant.precision)
    if variant.engine == "openvino":
        from featherface.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine.of_file(path, threads, variant.precision)
    from featherface.checkpoints import load_network
    from featherface.engines.pytorch_engine import PyTorchEngine
    from featherface.models import MODELS

    return PyTorchEngine(load_network(MODELS[model], path), threads)
