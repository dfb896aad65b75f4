"""Training recipes: a TOML file read into frozen dataclasses."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import dacite

from featherface.errors import FeatherFaceError, sentence
from featherface.models import MODELS
from featherface.training.composites import CompositeSettings
from featherface.training.selection import Half

__all__ = [
    "BlockSettings",
    "DataSettings",
    "DetectorSettings",
    "EvaluationSettings",
    "OptimiserSettings",
    "PruningSettings",
    "Recipe",
    "RecipeError",
    "read_recipe",
]


class RecipeError(FeatherFaceError):
    """A training recipe cannot be used; the message names the file and what is wrong in it."""


@dataclass(frozen=True)
class DataSettings:
    """Which images are used, and how they become batches."""

    manifest: Path | None = None  # JSONL manifest with its zips beside it, or
    wider: Path | None = None  # WIDER FACE's label.txt as published with RetinaFace, with images/ beside it
    composites: CompositeSettings | None = None  # None: random square crops, as the study trains
    size: int = 640  # pixels per side of a training image
    batch: int = 32  # images per process
    workers: int = 4  # processes that prepare images
    complete: tuple[str, ...] | None = None  # sources in which every face is labelled; None: all
    cache_gib: float = 4.0  # decoded images kept in memory, per worker
    preload: bool = False  # decode the images before the workers start, which then share them


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW with a linear warm-up and a cosine decay to zero."""

    steps: int  # at most, if `minutes` is set
    minutes: float | None = None  # the run ends, and its cosine decays, by the clock; for one process
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    warmup_steps: int = 0
    clip_norm: float | None = None  # of the gradient of the whole network
    ema_decay: float = 0.999  # of the averaged weights, which are the ones saved
    frozen_batch_norm: tuple[str, ...] = ()  # modules whose batch norms keep their statistics
    fixed: tuple[str, ...] = ()  # modules that are not trained
    pool: int = 1  # batches per process that are kept with the teacher's outputs
    repeats: int = 1  # passes over the pool before it is replaced


@dataclass(frozen=True)
class BlockSettings:
    """Block-by-block distillation; see `featherface.training.blocks`."""

    local: tuple[str, ...]
    whole: tuple[str, ...] = ()
    window: int = 16
    calibration: int = 24  # batches


@dataclass(frozen=True)
class DetectorSettings:
    """End-to-end training on labels (MultiBox), a teacher (distillation) or both."""

    labels: float = 1.0  # weight of the MultiBox loss; 0 turns it off
    distillation: float = 0.0  # weight of the teacher's outputs
    hints: float = 0.0  # weight of the teacher's pyramid features
    mended_score: float = (
        0.0  # least class score on a labelled face; 0 leaves the teacher's outputs unchanged
    )
    temperature: float = 4.0  # of the distilled class scores
    score_power: float = 1.0  # exponent of an anchor's score in its weight in the distilled class loss
    per_image: bool = False  # average the distilled class loss over each image, then over images
    match_iou: float = 0.35  # IoU with a face from which an anchor is a positive
    negatives: int = 7  # hard negatives per positive
    class_weight: float = 1.0
    box_weight: float = 2.0
    mixup_alpha: float = 0.0  # parameter of MixUp's Beta(alpha, alpha); 0 turns it off
    cutmix: float = 0.0  # probability of CutMix
    dropblock: float = 0.0  # share of the pyramid's cells dropped in 3 x 3 blocks


@dataclass(frozen=True)
class EvaluationSettings:
    """The development score that selects the best weights."""

    manifest: Path
    ground_truth: Path
    source: str = "wider_tenth"
    half: Half = "all"  # which images, see `featherface.training.selection`
    stride: int = 1  # use every so many images of that half
    every_minutes: float = 20.0


@dataclass(frozen=True)
class PruningSettings:
    """What is set to zero before training and stays zero; see `featherface.profiling.pruning`."""

    share: float  # 0..1
    of: Literal["weights", "channels"] = "weights"


@dataclass(frozen=True)
class Recipe:
    """One training run."""

    model: str  # key in the registry
    output: Path  # folder for weights, state and logs
    data: DataSettings
    optimiser: OptimiserSettings
    blocks: BlockSettings | None = None  # exactly one of blocks
    detector: DetectorSettings | None = None  # and detector is set
    evaluation: EvaluationSettings | None = None
    pruning: PruningSettings | None = None
    start: Path | None = None  # weights of this model to start from
    start_modules: dict[str, Path] = field(default_factory=dict)  # module name: weights to copy it from
    backbone: Path | None = None  # ImageNet classifier to start the backbone from
    teacher: Path | None = None  # weights of the teacher
    teacher_model: str = field(default_factory=lambda: next(iter(MODELS)))  # key in the registry
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    save_seconds: float = 45.0  # between saved states: the most that an interrupted run loses
    note: str = ""  # added to the record of the saved weights


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in `path` (TOML); paths in it are relative to the file. Raises RecipeError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(sentence(f"{path} cannot be read: {error}.")) from error
    config = dacite.Config(
        strict=True,
        cast=[tuple],
        type_hooks={Path: lambda text: (path.parent / text).resolve(), float: float},
    )
    try:
        recipe = dacite.from_dict(Recipe, table, config)
    except (dacite.DaciteError, ValueError, TypeError, OverflowError) as error:
        raise RecipeError(sentence(f"{path}: {error}.")) from error
    _check(recipe, path)
    return recipe


def _check(recipe: Recipe, path: Path) -> None:
    for key in (recipe.model, recipe.teacher_model):
        if key not in MODELS:
            raise RecipeError(
                sentence(f"{path}: there is no model {key!r}; the models are {', '.join(MODELS)}.")
            )
    if (recipe.blocks is None) == (recipe.detector is None):
        raise RecipeError(f"{path}: a run needs either [blocks] or [detector].")
    if (recipe.data.manifest is None) == (recipe.data.wider is None):
        raise RecipeError(f"{path}: [data] needs either `manifest` or `wider`.")
    detector = recipe.detector
    if (detector is None or detector.distillation or detector.hints) and recipe.teacher is None:
        raise RecipeError(f"{path}: distillation needs a `teacher`.")
    optimiser = recipe.optimiser
    if recipe.data.size < 32 or min(recipe.data.batch, optimiser.steps) < 1:
        raise RecipeError(f"{path}: size must be at least 32, batch and steps at least 1.")
    if optimiser.minutes is not None and optimiser.minutes <= 0:
        raise RecipeError(f"{path}: minutes must be more than 0.")
    if recipe.pruning is not None and not 0 < recipe.pruning.share < 1:
        raise RecipeError(f"{path}: the share to prune must be between 0 and 1.")
    if min(optimiser.pool, optimiser.repeats) < 1:
        raise RecipeError(f"{path}: pool and repeats must be at least 1.")
