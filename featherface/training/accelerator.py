"""Train on a borrowed accelerator: pack a recipe into one small folder, then train there for some minutes.

    python -m featherface.training.accelerator pack RECIPE.toml FOLDER
    python -m featherface.training.accelerator train FOLDER --minutes 10

The folder has labelled images of at most 640 pixels, the teacher, the weights to start from and the recipe,
in at most 64 MiB. Training saves its state every two minutes and continues from it when started again.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from featherface.errors import FeatherFaceError
from featherface.evaluation.manifest import Record, read_manifest
from featherface.training.image_store import ImageStore
from featherface.training.recipe import Recipe, RecipeError, read_recipe
from featherface.training.trainer import LOG_STEPS, Trainer

__all__ = ["main", "pack", "train"]

LIMIT_BYTES = 64 * 2**20
_SIDE = 640  # pixels of the longer side
_QUALITY = 75  # of JPEG
_ZIP_ENTRY = 150  # bytes that a zip needs for an entry besides its name, twice, and its content
_RESERVE = 2**16  # for what else is in the folder
_SAVE_SECONDS = 120.0
_WORKERS = 16  # at most


def pack(recipe_path: Path, folder: Path, limit: int = LIMIT_BYTES) -> int:
    """Write everything that `train` needs into `folder` and return its size in bytes, at most `limit`.

    Images are drawn from the recipe's sources in proportion to their weights until the space is used.
    Raises RecipeError, or ManifestError for an image that cannot be read.
    """
    recipe = read_recipe(recipe_path)
    if recipe.data.manifest is None or recipe.data.composites is None:
        raise RecipeError(f"{recipe_path}: packing needs `manifest` and [data.composites].")
    folder.mkdir(parents=True, exist_ok=True)
    files = [path for path in (recipe_path, recipe.start, recipe.teacher) if path is not None]
    for path in files:
        shutil.copyfile(path, folder / ("recipe.toml" if path == recipe_path else path.name))
    left = limit - _RESERVE - sum(path.stat().st_size for path in files)
    records = read_manifest(recipe.data.manifest)
    with (folder / "train.jsonl").open("w", encoding="utf-8") as manifest:
        for source, share in _source_shares(recipe).items():
            chosen = [record for record in records if record.source == source]
            order = np.random.default_rng(recipe.seed).permutation(len(chosen))
            with zipfile.ZipFile(folder / f"train-{source}.zip", "w", zipfile.ZIP_STORED) as archive:
                packed = _packed_images([chosen[index] for index in order], int(left * share))
                for name, image, line in packed:
                    archive.writestr(name, image)
                    manifest.write(line)
    return sum(path.stat().st_size for path in folder.iterdir())


def train(folder: Path, *, minutes: float = 10.0, steps: int | None = None) -> Path:
    """Train with `folder` for about `minutes`, or for `steps`, and return the file of the averaged weights.

    The number of steps follows from a short run that measures the speed. Raises FeatherFaceError.
    """
    recipe = _packed_recipe(folder)
    if steps is None:
        measured = Trainer(_with_steps(replace(recipe, output=folder / "speed"), 3 * LOG_STEPS))
        measured.run()
        steps = max(1, int(60 * minutes * measured.images_per_second / recipe.data.batch))
    Trainer(_with_steps(recipe, steps)).run()
    return recipe.output / "last.safetensors"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `pack` or `train` and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m featherface.training.accelerator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write the folder")
    packing.add_argument("recipe", type=Path)
    packing.add_argument("folder", type=Path)
    training = commands.add_parser("train", help="train with a folder")
    training.add_argument("folder", type=Path)
    training.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        if arguments.command == "pack":
            print(f"{arguments.folder} has {pack(arguments.recipe, arguments.folder) / 2**20:.1f} MiB.")
        else:
            print(f"The weights are in {train(arguments.folder, minutes=arguments.minutes)}.")
    except FeatherFaceError as error:
        print(f"featherface: {error}", file=sys.stderr)
        return 2
    return 0


def _source_shares(recipe: Recipe) -> dict[str, float]:
    """Return each source's share of the space, in proportion to its weights in the recipe."""
    composites = recipe.data.composites
    if composites is None:
        return {}
    weights: dict[str, float] = {}
    for kind in (composites.scenes, composites.portraits, composites.close_ups, composites.backgrounds):
        for source, weight in kind.items():
            weights[source] = weights.get(source, 0.0) + weight / sum(kind.values())
    total = sum(weights.values())
    return {source: weight / total for source, weight in weights.items()}


def _packed_images(records: Sequence[Record], space: int) -> Iterator[tuple[str, bytes, str]]:
    """Yield name, JPEG and manifest line of as many of `records` as fit into `space` bytes."""
    images = ImageStore(records, cache_bytes=0)
    for index, record in enumerate(records):
        scale = min(1.0, _SIDE / max(record.width, record.height))
        size = max(1, round(record.width * scale)), max(1, round(record.height * scale))
        pixels = cv2.resize(images[index].pixels, size, interpolation=cv2.INTER_AREA)
        image = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        line = json.dumps(_scaled(record, size)) + "\n"
        space -= len(image) + len(line) + 2 * len(record.image) + _ZIP_ENTRY
        if space < 0:
            return
        yield record.image, image, line


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


def _packed_recipe(folder: Path) -> Recipe:
    """Return the recipe in `folder` with its paths there, for the device of this machine."""
    recipe = read_recipe(folder / "recipe.toml")
    accelerated = torch.cuda.is_available()
    return replace(
        recipe,
        output=folder / "run",
        start=None if recipe.start is None else folder / recipe.start.name,
        teacher=None if recipe.teacher is None else folder / recipe.teacher.name,
        data=replace(
            recipe.data,
            manifest=folder / "train.jsonl",
            workers=min(_WORKERS, os.cpu_count() or 1) if accelerated else recipe.data.workers,
        ),
        evaluation=None,
        precision="bfloat16" if accelerated else recipe.precision,
        save_seconds=_SAVE_SECONDS,
    )


def _with_steps(recipe: Recipe, steps: int) -> Recipe:
    return replace(recipe, optimiser=replace(recipe.optimiser, steps=steps))


if __name__ == "__main__":
    sys.exit(main())
