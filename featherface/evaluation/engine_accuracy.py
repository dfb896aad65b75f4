"""Average precision of one model through every engine and precision, against PyTorch in float32.

`featherface engines` measures it and writes the file that ships with the weights.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from featherface.checkpoints import WeightsFile, load_network
from featherface.detection.detector import Detector
from featherface.detection.images import decode_photo
from featherface.engines.protocol import Engine, EngineError, Precision
from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.ground_truth import GroundTruth
from featherface.evaluation.image_sets import EncodedImage
from featherface.evaluation.paired_bootstrap import (
    PrecisionComparison,
    compare_precision,
    comparison_from_json,
    comparison_to_json,
)
from featherface.evaluation.predictions import Prediction, resume_predictions
from featherface.evaluation.run import PUBLISHED, predict_images
from featherface.export.package import export_network
from featherface.export.variants import (
    ExportFormat,
    Variant,
    check_runnable,
    load_variant,
    model_bytes,
    model_files,
    model_variants,
)
from featherface.files import write_files
from featherface.models import MODELS
from featherface.models.deformable import has_deformable_convolutions

__all__ = [
    "EngineAccuracy",
    "EngineAccuracyError",
    "VariantAccuracy",
    "load_engine_accuracy",
    "measure_variants",
    "save_engine_accuracy",
    "variants_of",
]

_REFERENCE = Variant("pytorch", Precision.FLOAT32, None)


class EngineAccuracyError(FeatherFaceError):
    """A file of average precision by engine cannot be read; the message names it."""


@dataclass(frozen=True)
class VariantAccuracy:
    """One way to run the model; `comparison` is of PyTorch in float32, first, with this one."""

    variant: str  # key of a Variant
    engine_version: str
    file_bytes: int  # of the model, all its files together
    comparison: PrecisionComparison


@dataclass(frozen=True)
class EngineAccuracy:
    """Average precision of one model in every way that runs it, and how it was measured."""

    model: str  # key in MODELS
    weights_sha256: str
    image_set: str
    date: str  # ISO 8601
    used_for_selection: bool  # whether the checkpoint was also selected on these images
    rows: tuple[VariantAccuracy, ...]


def variants_of(network: nn.Module) -> tuple[Variant, ...]:
    """Return every way to run `network`, PyTorch in float32 first, also those that an engine refuses."""
    found = model_variants(deformable=has_deformable_convolutions(network))
    return tuple(sorted(found, key=lambda variant: variant.engine != _REFERENCE.engine))


def measure_variants(
    weights: WeightsFile, images: Sequence[EncodedImage], ground_truth: GroundTruth, folder: Path
) -> Iterator[VariantAccuracy]:
    """Yield the average precision of shipped weights in every way that runs them, published settings.

    Detections are kept in `folder`, one file per way, and a later call continues where this one stopped.
    Raises PredictionsError where the folder has detections of other weights or another engine's version.
    """
    network = load_network(MODELS[weights.key], weights.path, weights.sha256)
    reference: list[Prediction] = []
    with tempfile.TemporaryDirectory() as name:
        for variant in sorted(variants_of(network), key=_order):
            try:
                check_runnable(variant)
                path = _file(weights, network, variant, Path(name))
                engine = load_variant(variant, path, weights.key)
            except EngineError:  # the Deploy page says why
                continue
            made_by = {
                "model": weights.key,
                "weights_sha256": weights.sha256,
                "variant": variant.key,
                "engine_version": engine.info.version,
                "file_sha256": _checksum(path),
            }
            found = _predictions(made_by, engine, images, folder / f"{weights.key}-{variant.key}.jsonl")
            reference = reference or found
            comparison = compare_precision(reference, found, ground_truth)
            yield VariantAccuracy(variant.key, engine.info.version, model_bytes(path), comparison)


def save_engine_accuracy(path: Path, found: EngineAccuracy) -> None:
    """Write `found` as JSON."""
    rows = [{**vars(row), "comparison": comparison_to_json(row.comparison)} for row in found.rows]
    write_files({path: f"{json.dumps({**vars(found), 'rows': rows}, indent=1)}\n".encode()})


def load_engine_accuracy(path: Path) -> EngineAccuracy:
    """Read what `save_engine_accuracy` wrote; raises EngineAccuracyError."""
    try:
        return _parsed(json.loads(path.read_bytes()))
    except KeyError as error:
        raise EngineAccuracyError(
            sentence(f"{path} is not a readable file of average precision: the field {error} is missing.")
        ) from error
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise EngineAccuracyError(
            sentence(f"{path} is not a readable file of average precision: {error}.")
        ) from error


def _order(variant: Variant) -> tuple[bool, bool, bool]:
    """Put the reference first, int8 before float16 and bfloat16, second files last."""
    rounded = variant.precision not in (Precision.FLOAT32, Precision.INT8)
    return variant != _REFERENCE, variant.deformconv, rounded


def _file(weights: WeightsFile, network: nn.Module, variant: Variant, folder: Path) -> Path:
    """Return the path of the file to run, exported into `folder` unless it is there."""
    if variant.format is None:
        return weights.path
    path = folder / variant.file_name(weights.key, weights.path.name)
    if not path.exists():
        entry = MODELS[weights.key]
        export = export_network(entry, network, ExportFormat(variant.format), variant.stored)
        for name, data in export.files.items():
            (folder / name).write_bytes(data)
    return path


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a model's files: an export changes with its rules, under the same weights."""
    return sha256(b"".join(file.read_bytes() for file in model_files(path))).hexdigest()


def _predictions(
    made_by: Mapping[str, str], engine: Engine, images: Sequence[EncodedImage], path: Path
) -> list[Prediction]:
    """Predict all images, resuming the detections in `path` if `made_by` made them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    finished = resume_predictions(path, made_by)
    wanted = {image.name for image in images}
    finished = [prediction for prediction in finished if prediction.image in wanted]
    detector = Detector(engine)

    def predict(name: str, content: bytes) -> Prediction:
        found = detector.detect(decode_photo(content), PUBLISHED)
        return Prediction(name, found.boxes.astype(np.float64), found.scores.astype(np.float64))

    return predict_images(predict, images, finished=finished, output=path)


def _parsed(document: Mapping[str, Any]) -> EngineAccuracy:
    texts = ("model", "weights_sha256", "image_set", "date")
    _require_texts(document, texts)
    datetime.fromisoformat(document["date"])
    if not isinstance(document["used_for_selection"], bool):
        raise TypeError("'used_for_selection' is not true or false")
    return EngineAccuracy(
        **{name: document[name] for name in texts},
        used_for_selection=document["used_for_selection"],
        rows=tuple(map(_row, document["rows"])),
    )


def _row(document: Mapping[str, Any]) -> VariantAccuracy:
    _require_texts(document, ("variant", "engine_version"))
    size = document["file_bytes"]
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise ValueError(f"{size!r} is not a number of bytes")
    comparison = comparison_from_json(document["comparison"])
    return VariantAccuracy(document["variant"], document["engine_version"], size, comparison)


def _require_texts(document: Mapping[str, Any], names: Sequence[str]) -> None:
    wrong = [name for name in names if not isinstance(document[name], str)]
    if wrong:
        raise TypeError(f"{wrong[0]!r} is not text")
