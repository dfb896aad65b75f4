"""Train on a borrowed accelerator: pack recipes into small folders, then train there for some minutes.

    python -m featherface.training.accelerator pack FOLDER RECIPE.toml [RECIPE.toml ...] --parts 3
    python -m featherface.training.accelerator unpack FOLDER
    python -m featherface.training.accelerator train FOLDER RECIPE.toml [RECIPE.toml ...] --minutes 8

`FOLDER/part-1` and so on have at most 64 MiB each and can be moved one at a time. Each has labelled images of
at most 640 pixels; the first also has the recipes, the teacher and the weights to start from. Unpacking joins
the parts that are there. Several recipes train on the same images and share one teacher. Training saves its
state every two minutes and continues from it when started again.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from featherface.errors import FeatherFaceError
from featherface.evaluation.manifest import Record, read_manifest
from featherface.training.image_store import ImageStore
from featherface.training.recipe import Recipe, RecipeError, read_recipe
from featherface.training.trainer import Trainer, train_together

__all__ = ["main", "pack", "train", "unpack"]

LIMIT_BYTES = 64 * 2**20
_SIDE = 640  # pixels of the longer side
_QUALITY = 75  # of JPEG
_ZIP_ENTRY = 150  # bytes that a zip needs for an entry besides its name, twice, and its content
_RESERVE = 2**17  # for what else is in a part
_LABELS = "labels.zip"  # holds train.jsonl
_SAVE_SECONDS = 120.0
_MOST_STEPS = 30_000  # of a run that ends by the clock
_CACHE_GIB = 24.0


@dataclass(frozen=True)
class _Packed:
    """An image as it travels: its name, source, JPEG and manifest line."""

    name: str
    source: str
    jpeg: bytes
    line: str

    @property
    def size(self) -> int:
        """Bytes in a part, at most."""
        return len(self.jpeg) + len(zlib.compress(self.line.encode())) + 2 * len(self.name) + _ZIP_ENTRY


def pack(recipe_paths: Sequence[Path], folder: Path, *, parts: int = 1, limit: int = LIMIT_BYTES) -> int:
    """Write everything that `train` needs into `parts` folders of at most `limit` bytes; return all bytes.

    The images are those of the first recipe. Each source gets space in proportion to its weight; what it does
    not need goes to the others. Raises RecipeError, or ManifestError for an image that cannot be read.
    """
    recipes = [read_recipe(path) for path in recipe_paths]
    for recipe, path in zip(recipes, recipe_paths, strict=True):
        if recipe.data.manifest is None or recipe.data.composites is None:
            raise RecipeError(f"{path}: packing needs `manifest` and [data.composites].")
    files = {path.name: path for path in recipe_paths}
    files |= {path.name: path for recipe in recipes for path in (recipe.start, recipe.teacher) if path}
    folders = [folder / f"part-{number}" for number in range(1, parts + 1)]
    for part in folders:
        part.mkdir(parents=True)
    for name, path in files.items():
        shutil.copyfile(path, folders[0] / name)
    space = [limit - _RESERVE] * parts
    space[0] -= sum(path.stat().st_size for path in files.values())
    _write_images(_chosen_images(recipes[0], sum(space)), folders, space)
    return sum(path.stat().st_size for part in folders for path in part.iterdir())


def train(folder: Path, recipe_names: Sequence[str], *, minutes: float | None = None) -> list[Path]:
    """Train with an unpacked `folder` and return the files of the averaged weights, one per recipe.

    The run lasts for `minutes`, or until the first recipe reaches its steps. Raises RecipeError for recipes
    that cannot be trained together, or another FeatherFaceError.
    """
    first, *others = recipes = [_unpacked_recipe(folder, name, minutes) for name in recipe_names]
    for recipe, name in zip(recipes, recipe_names, strict=True):
        if _lessons(recipe) != _lessons(first):
            raise RecipeError(
                f"{name}: [data], the teacher and how labels correct it must be as in {recipe_names[0]}."
            )
    trainer = Trainer(first)
    trainers = [trainer, *(Trainer(recipe, trainer.teacher) for recipe in others)]
    train_together(trainers)
    return [recipe.output / "last.safetensors" for recipe in recipes]


def unpack(folder: Path) -> Path:
    """Join the parts in `folder` into one manifest with its zips beside it and return the manifest's path."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    manifest = data / "train.jsonl"
    parts = sorted(folder.glob("part-*"))
    lines = []
    for part in parts:
        with zipfile.ZipFile(part / _LABELS) as labels:
            lines.append(labels.read(manifest.name))
    manifest.write_bytes(b"".join(lines))
    for name in sorted({path.name for part in parts for path in part.glob("train-*.zip")}):
        with zipfile.ZipFile(data / name, "w", zipfile.ZIP_STORED) as joined:
            for path in (part / name for part in parts if (part / name).exists()):
                with zipfile.ZipFile(path) as archive:
                    for member in archive.namelist():
                        joined.writestr(member, archive.read(member))
    return manifest


def main(argv: Sequence[str] | None = None) -> int:
    """Run `pack`, `unpack` or `train` and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m featherface.training.accelerator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write the parts")
    packing.add_argument("folder", type=Path)
    packing.add_argument("recipes", type=Path, nargs="+", metavar="RECIPE")
    packing.add_argument("--parts", type=int, default=1)
    unpacking = commands.add_parser("unpack", help="join the parts that are there")
    unpacking.add_argument("folder", type=Path)
    training = commands.add_parser("train", help="train with an unpacked folder")
    training.add_argument("folder", type=Path)
    training.add_argument("recipes", nargs="+", metavar="RECIPE", help="file name of a recipe")
    training.add_argument("--minutes", type=float)
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        if given.command == "pack":
            size = pack(given.recipes, given.folder, parts=given.parts)
            print(f"{given.folder} has {size / 2**20:.1f} MiB in {given.parts} parts.")
        elif given.command == "unpack":
            print(f"{unpack(given.folder)} is ready.")
        else:
            made = train(given.folder, given.recipes, minutes=given.minutes)
            print(f"The weights are in {', '.join(map(str, made))}.")
    except FeatherFaceError as error:
        print(f"featherface: {error}", file=sys.stderr)
        return 2
    return 0


def _chosen_images(recipe: Recipe, space: int) -> list[_Packed]:
    """Return as many images of each source as fit into its share of `space` bytes, in random order."""
    shares = _source_shares(recipe)
    everything = read_manifest(recipe.data.manifest) if recipe.data.manifest else []
    records = [record for record in everything if record.source in shares]
    images = ImageStore(records, cache_bytes=0)
    rng = np.random.default_rng(recipe.seed)
    with ThreadPoolExecutor() as threads:
        packed = list(
            threads.map(lambda index: _packed(images, index), rng.permutation(len(records)).tolist())
        )
    quotas = _quotas(
        {source: [image.size for image in packed if image.source == source] for source in shares},
        shares,
        space,
    )
    chosen = []
    for image in packed:
        if image.size <= quotas[image.source]:
            quotas[image.source] -= image.size
            chosen.append(image)
    return chosen


def _quotas(
    sizes: Mapping[str, Sequence[int]], shares: Mapping[str, float], space: float
) -> dict[str, float]:
    """Divide `space` by `shares`; what a source does not need is divided among the others."""
    quotas: dict[str, float] = {}
    left = dict(shares)
    while left:
        total = sum(left.values())
        small = [source for source in left if sum(sizes[source]) <= space * left[source] / total]
        if not small:
            return quotas | {source: space * share / total for source, share in left.items()}
        for source in small:
            quotas[source] = sum(sizes[source])
            space -= quotas[source]
            del left[source]
    return quotas


def _write_images(images: Sequence[_Packed], folders: Sequence[Path], space: Sequence[int]) -> None:
    """Deal `images` to the parts in proportion to their space; images without space are left out."""
    left = np.array(space)
    dealt: list[list[_Packed]] = [[] for _ in folders]
    for image in images:
        part = int(np.argmax(left / space))
        if image.size <= left[part]:
            left[part] -= image.size
            dealt[part].append(image)
    for folder, mine in zip(folders, dealt, strict=True):
        with zipfile.ZipFile(folder / _LABELS, "w", zipfile.ZIP_DEFLATED) as labels:
            labels.writestr("train.jsonl", "".join(image.line for image in mine))
        for source in sorted({image.source for image in mine}):
            with zipfile.ZipFile(folder / f"train-{source}.zip", "w", zipfile.ZIP_STORED) as archive:
                for image in mine:
                    if image.source == source:
                        archive.writestr(image.name, image.jpeg)


def _source_shares(recipe: Recipe) -> dict[str, float]:
    """Return how often the recipe draws an image of each source, as shares of 1."""
    settings = recipe.data.composites
    if settings is None:
        return {}
    others = 1 - settings.close_up_share - settings.background_share
    kinds = (
        (settings.scenes, others * settings.scene_share),
        (settings.portraits, others * (1 - settings.scene_share)),
        (settings.close_ups, settings.close_up_share),
        (settings.backgrounds, settings.background_share),
    )
    shares: dict[str, float] = {}
    for sources, kind_share in kinds:
        for source, weight in sources.items():
            shares[source] = shares.get(source, 0.0) + kind_share * weight / sum(sources.values())
    return shares


def _packed(images: ImageStore, index: int) -> _Packed:
    """Return image `index` with its labels, at most 640 pixels on its longer side."""
    record = images.records[index]
    scale = min(1.0, _SIDE / max(record.width, record.height))
    size = max(1, round(record.width * scale)), max(1, round(record.height * scale))
    pixels = cv2.resize(images[index].pixels, size, interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return _Packed(record.image, record.source, jpeg, json.dumps(_scaled(record, size)) + "\n")


def _scaled(record: Record, size: tuple[int, int]) -> dict[str, object]:
    """Return the manifest record of `record` resized to `size`, width and height; empty boxes are dropped."""
    factors = np.array(size, np.float32) / np.array([record.width, record.height], np.float32)
    boxes = np.clip(record.boxes * np.tile(factors, 2), 0, np.tile(size, 2))
    kept = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] > 0.5).all(axis=1))
    points = (record.landmarks * factors).reshape(-1, 10)
    return {
        "image": record.image,
        "width": size[0],
        "height": size[1],
        "source": record.source,
        "boxes": boxes[kept].round(2).tolist(),
        "scores": record.scores[kept].round(3).tolist(),
        "ignore": record.ignore[kept].tolist(),
        "landmarks": [row.round(1).tolist() if np.isfinite(row).all() else None for row in points[kept]],
        "landmark_source": record.landmark_source,
    }


def _lessons(recipe: Recipe) -> tuple[object, ...]:
    """Return what students that learn together must share."""
    detector = recipe.detector
    correction = detector and (detector.mended_score, detector.match_iou, detector.hints > 0)
    return recipe.data, recipe.teacher, recipe.teacher_model, correction


def _unpacked_recipe(folder: Path, name: str, minutes: float | None) -> Recipe:
    """Return the recipe with its paths in `folder`, to end after `minutes` if they are given.

    An accelerator is fed from decoded images.
    """
    path = folder / "part-1" / name
    recipe = read_recipe(path)
    accelerated = torch.cuda.is_available()
    optimiser = recipe.optimiser
    if minutes is not None:
        optimiser = replace(optimiser, minutes=minutes, steps=_MOST_STEPS)
    return replace(
        recipe,
        output=folder / path.stem,
        start=None if recipe.start is None else path.parent / recipe.start.name,
        teacher=None if recipe.teacher is None else path.parent / recipe.teacher.name,
        data=replace(
            recipe.data,
            manifest=folder / "data" / "train.jsonl",
            cache_gib=_CACHE_GIB if accelerated else recipe.data.cache_gib,
            preload=accelerated,
        ),
        optimiser=optimiser,
        evaluation=None,
        save_seconds=_SAVE_SECONDS,
    )


if __name__ == "__main__":
    sys.exit(main())
