"""Two processes: shared gradients, one writer, and a resume that repeats each process's random numbers."""

from __future__ import annotations

import csv
import os
import socket
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from featherface.training import trainer as trainer_module
from featherface.training.composites import CompositeSettings
from featherface.training.recipe import DataSettings, DetectorSettings, OptimiserSettings, Recipe
from featherface.training.run_state import RunStateError, load_run_state
from featherface.training.trainer import Trainer

STEPS = 6
LOG_STEPS = 3  # two rows of the log


def train(rank: int, port: int, recipe: Recipe, stop: int | None) -> None:
    """Train as process `rank` of two; with `stop`, save the state at that step and exit 2 steps later."""
    trainer_module.LOG_STEPS = LOG_STEPS
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    trainer = Trainer(recipe)
    if stop is not None:
        trainer._due = lambda: (trainer.step == stop, False)
        trainer._learn = limited(trainer, stop + 2)
    trainer.run()


def limited(trainer: Trainer, most: int):
    learn = Trainer._learn

    def learn_until_stopped(batch):
        if trainer.step == most:
            raise SystemExit
        return learn(trainer, batch)

    return learn_until_stopped


def run_both(recipe: Recipe, stop: int | None = None) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    spawn = get_context("spawn")
    processes = [spawn.Process(target=train, args=(rank, port, recipe, stop)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


@pytest.fixture
def recipe(manifest: Path, tmp_path: Path) -> Recipe:
    composites = CompositeSettings({"scenes": 1.0}, {"portraits": 1.0}, most_scenes=1, most_portraits=2)
    return Recipe(
        model="v2",
        output=tmp_path / "straight",
        data=DataSettings(manifest=manifest, composites=composites, size=32, batch=1, workers=0),
        optimiser=OptimiserSettings(steps=STEPS, learning_rate=1e-3, ema_decay=0.5, frozen_batch_norm=("*",)),
        detector=DetectorSettings(mixup_alpha=0.2, cutmix=0.5, dropblock=0.1),  # random numbers per process
        save_seconds=1e9,
    )


def test_two_processes_resume_exactly_and_only_the_first_writes(recipe, tmp_path, monkeypatch):
    run_both(recipe)
    stopped = replace(recipe, output=tmp_path / "stopped")
    run_both(stopped, stop=2)  # exits at step 4 with a row of the log that the resumed run must replace
    run_both(stopped)

    expected, resumed = (load_run_state(path / "last.pt") for path in (recipe.output, stopped.output))
    for name, tensor in expected["ema"].items():
        assert torch.equal(tensor, resumed["ema"][name]), name
    first, second = expected["random"]
    assert not torch.equal(first, second)
    assert all(map(torch.equal, expected["random"], resumed["random"]))
    for output in (recipe.output, stopped.output):
        rows = list(csv.DictReader((output / "log.csv").read_text().splitlines()))
        assert [int(row["step"]) for row in rows] == [3, 6]
        assert len((output / "scores.csv").read_text().splitlines()) == 2  # the header and one score

    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(RunStateError, match="saved by 2 processes"):
        Trainer(stopped)
