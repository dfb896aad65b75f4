"""Two processes: shared gradients, one writer, and a resume that repeats each process's random numbers."""

from __future__ import annotations

import csv
import os
import socket
from contextlib import ExitStack, suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch import distributed

from featherface.training import trainer as trainer_module
from featherface.training.composites import CompositeSettings
from featherface.training.recipe import DataSettings, DetectorSettings, OptimiserSettings, Recipe
from featherface.training.run_state import RunStateError, load_run_state
from featherface.training.trainer import Trainer

STEPS = 6
LOG_STEPS = 3  # two rows of the log
SAVE_STEP, CRASH_STEP = 2, 4  # the crash loses a row of the log, which the resumed run must replace


class CrashError(Exception):
    """Raised in place of a crash."""


def train(rank: int, ports: list[int], straight: Recipe, stopped: Recipe) -> None:
    """As process `rank` of two: train `straight`; train `stopped` until a crash; resume it."""
    os.environ["RANK"] = str(rank)
    for port, recipe, crash in zip(
        ports, (straight, stopped, stopped), (None, CRASH_STEP, None), strict=True
    ):
        os.environ["MASTER_PORT"] = str(port)
        trainer = Trainer(recipe)
        trainer.objective.register_forward_pre_hook(before_each_step(trainer, crash))
        with suppress(CrashError):
            trainer.run()
        if distributed.is_initialized():
            distributed.destroy_process_group()


def before_each_step(trainer: Trainer, crash: int | None):
    """Return a hook that makes the state due after SAVE_STEP steps, and ends the run before step `crash`."""

    def hook(objective, batch):
        if trainer.step + 1 == SAVE_STEP:
            trainer.saved_at = float("-inf")
        if trainer.step == crash:
            raise CrashError

    return hook


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]


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
    stopped = replace(recipe, output=tmp_path / "stopped")
    ports = free_ports(3)
    monkeypatch.setattr(trainer_module, "LOG_STEPS", LOG_STEPS)
    for name, value in {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "",
    }.items():
        monkeypatch.setenv(name, value)  # the second process inherits them
    second = get_context("spawn").Process(target=train, args=(1, ports, recipe, stopped))
    second.start()
    train(0, ports, recipe, stopped)
    second.join()
    assert second.exitcode == 0

    expected, resumed = (load_run_state(path / "last.pt") for path in (recipe.output, stopped.output))
    for name, tensor in expected["ema"].items():
        assert torch.equal(tensor, resumed["ema"][name]), name
    assert not torch.equal(*expected["random"])
    assert all(map(torch.equal, expected["random"], resumed["random"]))
    for output in (recipe.output, stopped.output):
        rows = list(csv.DictReader((output / "log.csv").read_text().splitlines()))
        assert [int(row["step"]) for row in rows] == [3, 6]
        assert len((output / "scores.csv").read_text().splitlines()) == 2  # the header and one score

    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(RunStateError, match="saved by 2 processes"):
        Trainer(stopped)
