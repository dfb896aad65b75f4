"""The training configuration: a TOML file read into frozen dataclasses."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import dacite

from featherface.errors import FeatherFaceError, sentence
from featherface.models import MODELS
from featherface.training.composites import CompositeRecipe

__all__ = [
    "BlockSettings",
    "DataSettings",
    "DetectorSettings",
    "EvaluationSettings",
    "OptimiserSettings",
    "SettingsError",
    "TrainingSettings",
    "read_settings",
]


class SettingsError(FeatherFaceError):
    """The configuration cannot be used; the message names the file and what is wrong in it."""


@dataclass(frozen=True)
class DataSettings:
    """Which pictures, and how they become batches."""

    manifest: Path | None = None  # JSONL manifest with its zips beside it, or
    wider: Path | None = (
        None  # WIDER FACE's label.txt (RetinaFace's, with landmarks), pictures in images/ beside it
    )
    composites: CompositeRecipe | None = None  # None: random square crops, as the study trains
    size: int = 640  # pixels a side
    batch: int = 32  # pictures, per process
    workers: int = 4  # processes that prepare pictures
    cache_gib: float = 4.0  # decoded pictures kept, per worker


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW, a linear warm-up and a cosine to zero."""

    steps: int
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    warmup_steps: int = 0
    clip_norm: float | None = None  # of the whole gradient
    ema_decay: float = 0.999  # of the averaged weights, which are the ones kept
    frozen_batch_norm: tuple[str, ...] = ()  # modules whose batch norms keep their statistics
    fixed: tuple[str, ...] = ()  # modules that do not learn
    pool: int = 1  # batches, per process, that are kept, end to end with what the teacher says of them, and
    repeats: int = 1  # gone through so many times before the next ones


@dataclass(frozen=True)
class BlockSettings:
    """Block-by-block distillation; see `featherface.training.blocks`."""

    local: tuple[str, ...]
    whole: tuple[str, ...] = ()
    window: int = 16
    calibration: int = 24  # batches


@dataclass(frozen=True)
class DetectorSettings:
    """End-to-end training: labels (MultiBox) and a teacher (distillation), each with its weight."""

    labels: float = 1.0  # weight of the MultiBox loss; 0 leaves the labels out
    distillation: float = 0.0  # weight of the teacher's outputs
    hints: float = 0.0  # weight of the teacher's pyramid features
    temperature: float = 4.0  # of the distilled class logits
    score_power: float = 1.0  # of an anchor's score, by which its distilled class counts
    match_iou: float = 0.35  # an anchor that overlaps a face by it is positive
    negatives: int = 7  # hard negatives for each positive
    class_weight: float = 1.0
    box_weight: float = 2.0
    mixup_alpha: float = 0.0  # Beta(alpha, alpha) of MixUp; 0 turns it off
    cutmix: float = 0.0  # probability of CutMix
    dropblock: float = 0.0  # share of the pyramid's cells dropped, in 3 x 3 blocks


@dataclass(frozen=True)
class EvaluationSettings:
    """The development score by which the best weights are kept."""

    manifest: Path
    ground_truth: Path
    source: str = "wider_tenth"
    stride: int = 1  # every so many pictures of it
    every_minutes: float = 20.0


@dataclass(frozen=True)
class TrainingSettings:
    """One training run."""

    model: str  # key in the registry
    output: Path  # folder for checkpoints and logs
    data: DataSettings
    optimiser: OptimiserSettings
    blocks: BlockSettings | None = None  # either these
    detector: DetectorSettings | None = None  # or these
    evaluation: EvaluationSettings | None = None
    start: Path | None = None  # weights or a training checkpoint of this model to start from
    start_modules: dict[str, Path] = field(
        default_factory=dict
    )  # module name: checkpoint of another run to copy it from
    backbone: Path | None = None  # ImageNet classifier to start the backbone from
    teacher: Path | None = None  # weights of the teacher
    teacher_model: str = "v1"
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    save_seconds: float = 45.0  # between checkpoints: what a killed run can lose
    note: str = ""  # goes into the provenance of exported weights


def read_settings(path: Path) -> TrainingSettings:
    """Read `path` (TOML); paths in it are relative to it. Raises SettingsError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(sentence(f"{path} cannot be read: {error}.")) from error
    config = dacite.Config(
        strict=True,
        cast=[tuple],
        type_hooks={Path: lambda text: (path.parent / text).resolve(), float: float},
    )
    try:
        settings = dacite.from_dict(TrainingSettings, table, config)
    except (dacite.DaciteError, ValueError, TypeError, OverflowError) as error:
        raise SettingsError(sentence(f"{path}: {error}.")) from error
    _check(settings, path)
    return settings


def _check(settings: TrainingSettings, path: Path) -> None:
    for key in (settings.model, settings.teacher_model):
        if key not in MODELS:
            raise SettingsError(
                sentence(f"{path}: there is no model {key!r}; there are {', '.join(MODELS)}.")
            )
    if (settings.blocks is None) == (settings.detector is None):
        raise SettingsError(f"{path}: a run needs either [blocks] or [detector].")
    if (settings.data.manifest is None) == (settings.data.wider is None):
        raise SettingsError(f"{path}: [data] needs either `manifest` or `wider`.")
    taught = settings.blocks or settings.detector.distillation or settings.detector.hints
    if taught and settings.teacher is None:
        raise SettingsError(f"{path}: distillation needs a `teacher`.")
    optimiser = settings.optimiser
    if settings.data.size < 32 or min(settings.data.batch, optimiser.steps) < 1:
        raise SettingsError(f"{path}: size must be at least 32, batch and steps at least 1.")
    if min(optimiser.pool, optimiser.repeats) < 1:
        raise SettingsError(f"{path}: pool and repeats must be at least 1.")
