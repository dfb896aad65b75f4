"""`featherface train`: train a model by a recipe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from featherface.cli.common import Command, print_json

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", type=Path, metavar="RECIPE.toml", help="recipe; its paths are relative to its own folder"
    )


def _run(arguments: argparse.Namespace) -> int:
    import logging

    from featherface.training.recipe import read_recipe
    from featherface.training.trainer import Trainer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    trainer = Trainer(read_recipe(arguments.config))
    scores = trainer.run()
    if arguments.json:
        result = {"output": str(trainer.recipe.output), "steps": trainer.step, "development_ap": scores}
        print_json(result)
        return 0
    print(f"Trained {trainer.step} steps; results are in {trainer.recipe.output}.")
    for name, score in scores.items():
        print(f"{name}: {score:.4f}")
    return 0


COMMAND = Command(
    summary="train a model by a recipe",
    description="Train a model by a TOML recipe, resuming the last run if it was interrupted.\n\n"
    "featherface/training/recipes/ has the recipes of the shipped weights and, for the WIDER FACE training\n"
    "set, those of the study. Multi-process training: torchrun -m featherface train RECIPE.toml\n\n"
    'JSON, when done: {"output": FOLDER, "steps": N, "development_ap": {SUBSET: AP, ...}}',
    add_options=_add_options,
    run=_run,
)
