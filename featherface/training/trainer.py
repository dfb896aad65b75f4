"""The training loop for block-by-block and end-to-end training; an interrupted run resumes exactly."""

from __future__ import annotations

import csv
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, distributed, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import Dataset

from featherface.checkpoints import inspect_checkpoint, load_network, save_weights
from featherface.errors import FeatherFaceError
from featherface.evaluation.ground_truth import wider_ground_truth
from featherface.evaluation.manifest import read_manifest
from featherface.evaluation.run import score_network
from featherface.models import MODELS
from featherface.models.face_network import FaceNetwork
from featherface.profiling.pruning import channel_masks, keep_zeros, weight_masks
from featherface.training.batches import Batch, batches
from featherface.training.blocks import BlockDistillation, matching_modules
from featherface.training.composites import Composites
from featherface.training.crops import SquareCrops
from featherface.training.detector_objective import DetectorObjective
from featherface.training.image_store import ImageStore
from featherface.training.recipe import OptimiserSettings, Recipe, RecipeError
from featherface.training.run_state import RunStateError, load_run_state, save_run_states
from featherface.training.samples import Sample
from featherface.training.selection import half_of
from featherface.training.teacher import Teacher
from featherface.training.wider_labels import read_wider_labels

__all__ = ["LOG_STEPS", "DivergedError", "Trainer", "train_together"]

logger = logging.getLogger(__name__)

LOG_STEPS = 20  # steps averaged in one row of the log


class DivergedError(FeatherFaceError):
    """The loss is no longer finite; the message names the step and the state to return to."""


class Trainer:
    """One student's run of `recipe`, resumed from the state in its output folder if there is one.

    `teacher` replaces the one that the recipe names, so that several students share its answers.

    Writes `last.pt` (state), `best.safetensors` and `last.safetensors` (averaged weights with their records),
    `log.csv` (losses) and `scores.csv` (development scores). Under torchrun every process takes its share of
    the batches, and only the first one writes files.

    Raises RecipeError, WeightsError or RunStateError for files that cannot be used, and ManifestError when
    images that cannot be used are first needed.
    """

    def __init__(self, recipe: Recipe, teacher: Teacher | None = None) -> None:
        self.recipe = recipe
        self.teacher = teacher
        self.rank, self.ranks = _join_processes(recipe)
        self.device = _device(self.rank)
        recipe.output.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.entry = MODELS[recipe.model]
        self.student = _channels_last(_student(recipe).to(self.device))
        self.masks = _masks(self.student, recipe)
        keep_zeros(self.student, self.masks)
        self.objective = self._objective()
        _set_modes(self.student, recipe.optimiser)
        learning = [parameter for parameter in self.student.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [{"params": learning}, {"params": list(self.objective.parameters())}],
            recipe.optimiser.learning_rate,
            weight_decay=recipe.optimiser.weight_decay,
        )
        self.seconds = 0.0  # trained so far, as of `clock`
        self.clock = time.monotonic()
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._learning_rate_factor)
        self.average = AveragedModel(
            self.student, multi_avg_fn=_ema(recipe.optimiser.ema_decay), use_buffers=True
        )
        self.step = 0
        self.best = -1.0
        self.recent: list[dict[str, Tensor]] = []  # losses of the steps that are not yet in the log
        self.images_per_second = 0.0  # over the last LOG_STEPS steps, of all processes
        self.saved_at = self.scored_at = self.logged_at = time.monotonic()
        torch.manual_seed(recipe.seed + self.rank)
        self._resume()

    @cached_property
    def dataset(self) -> Dataset[Sample]:
        """The training images. Students that learn together only use those of the first."""
        return _dataset(self.recipe, self.ranks)

    @property
    def finished(self) -> bool:
        """Whether the last step is done or the time is over."""
        minutes = self.recipe.optimiser.minutes
        out_of_time = minutes is not None and self._seconds_trained() >= 60 * minutes
        return out_of_time or self.step >= self.recipe.optimiser.steps

    def run(self) -> dict[str, float]:
        """Train to the last step and return the development scores there, empty on all but the first process.

        Raises DivergedError if the loss is not finite, and ManifestError for images that cannot be used.
        """
        return train_together([self])[0]

    def start_clock(self) -> None:
        """Count the time from now on, for runs of some minutes."""
        self.clock = self.logged_at = time.monotonic()

    def take(self, batch: Batch) -> None:
        """Learn from one batch; log and score when due."""
        self.recent.append(self._learn(batch))
        self.step += 1
        if self.step % LOG_STEPS == 0:
            self._check_losses()
            images = len(self.recent) * self.recipe.data.batch * self.ranks
            self.images_per_second = images / (time.monotonic() - self.logged_at)
            self._log({name: fmean(row[name].item() for row in self.recent) for name in self.recent[0]})
            self.recent.clear()
            self.logged_at = time.monotonic()
        evaluation = self.recipe.evaluation
        if evaluation is not None and time.monotonic() - self.scored_at > 60 * evaluation.every_minutes:
            self.score()

    def _learn(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step and return its losses, unread: reading would wait for the accelerator."""
        with self._precision():
            losses: dict[str, Tensor] = self.objective(batch)
        total = torch.stack(list(losses.values())).sum()
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self._share_gradients()
        if self.recipe.optimiser.clip_norm:
            nn.utils.clip_grad_norm_(self.student.parameters(), self.recipe.optimiser.clip_norm)
        self.optimiser.step()
        keep_zeros(self.student, self.masks)
        self.schedule.step()
        self.average.update_parameters(self.student)
        return {name: loss.detach() for name, loss in losses.items()}

    def _check_losses(self) -> None:
        """Raise DivergedError if a loss that is not yet in the log is not finite."""
        for step, losses in enumerate(self.recent, start=self.step - len(self.recent)):
            total = sum(loss.item() for loss in losses.values())
            if not math.isfinite(total):
                raise DivergedError(
                    f"The loss is {total} at step {step}. Lower the learning rate and resume from "
                    f"{self.state_path}, the last good state."
                )

    def _precision(self) -> torch.autocast | nullcontext[None]:
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def batches(self) -> Iterator[Batch]:
        """Prepare the images and return an iterator over one batch per step from now on.

        Each pool comes in order, then shuffled `repeats` - 1 times.
        """
        settings, data = self.recipe.optimiser, self.recipe.data
        length = settings.pool * settings.repeats
        first, done = divmod(self.step, length)
        rounds = range(first, -(-settings.steps // length))
        fresh = batches(
            self.dataset,
            size=data.batch,
            first=rounds.start * settings.pool,
            count=rounds.stop * settings.pool,
            workers=data.workers,
            rank=self.rank,
            ranks=self.ranks,
        )
        return self._pooled(fresh, rounds, done)

    def _pooled(self, fresh: Iterator[Batch], rounds: range, done: int) -> Iterator[Batch]:
        """Yield the batches of `rounds`, without the first `done` of the first round."""
        pool_size = self.recipe.optimiser.pool
        for number in rounds:
            pool: list[Batch] = []
            for turn in range(pool_size * self.recipe.optimiser.repeats):
                if turn < pool_size:
                    pool.append(next(fresh).to(self.device))
                if turn >= done:
                    yield pool[self._place(number, turn)]
            done = 0

    def _place(self, number: int, turn: int) -> int:
        """Return the position in the pool of step `turn` of round `number`."""
        repeat, place = divmod(turn, self.recipe.optimiser.pool)
        if not repeat:
            return place
        rng = np.random.default_rng((self.recipe.seed, number, repeat))
        return int(rng.permutation(self.recipe.optimiser.pool)[place])

    def _objective(self) -> nn.Module:
        recipe = self.recipe
        if recipe.detector is not None:
            if self.teacher is None and recipe.teacher is not None:
                self.teacher = Teacher(_teacher_network(recipe, self.device), recipe.detector)
            return DetectorObjective(self.student, self.teacher, recipe.detector).to(self.device)
        blocks = recipe.blocks
        if blocks is None:
            raise RuntimeError("The recipe was not checked.")
        teacher = _teacher_network(recipe, self.device)
        blockwise = BlockDistillation(
            self.student, teacher, local=blocks.local, whole=blocks.whole, window=blocks.window
        )
        some = batches(
            self.dataset,
            size=recipe.data.batch,
            first=0,
            count=blocks.calibration,
            workers=recipe.data.workers,
        )
        blockwise.calibrate([batch.to(self.device) for batch in some])
        return blockwise

    def _share_gradients(self) -> None:
        """Average the gradients over all processes."""
        if self.ranks == 1:
            return
        learning = (*self.student.parameters(), *self.objective.parameters())
        gradients = [parameter.grad for parameter in learning if parameter.grad is not None]
        shared = torch.cat([gradient.flatten() for gradient in gradients])  # one message for all parameters
        distributed.all_reduce(shared)
        shared /= self.ranks
        parts = torch.split(shared, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _learning_rate_factor(self, step: int) -> float:
        """Return the factor of the learning rate: a linear warm-up, then a cosine to zero."""
        settings = self.recipe.optimiser
        if step < settings.warmup_steps:
            return (step + 1) / settings.warmup_steps
        if settings.minutes is None:
            done = (step - settings.warmup_steps) / max(settings.steps - settings.warmup_steps, 1)
        else:
            done = self._seconds_trained() / (60 * settings.minutes)
        return (1 + math.cos(math.pi * min(done, 1))) / 2

    def _seconds_trained(self) -> float:
        return self.seconds + time.monotonic() - self.clock

    def save_is_due(self) -> bool:
        """Return whether to save now, by the clock of the first process for all."""
        due = time.monotonic() - self.saved_at > self.recipe.save_seconds
        if self.ranks > 1:
            flag = torch.tensor([due], device=self.device)
            distributed.broadcast(flag, src=0)
            due = bool(flag.item())
        return due

    def _resume(self) -> None:
        path = self.state_path
        if not path.exists():
            return
        state = load_run_state(path)
        if len(state["random"]) != self.ranks:
            raise RunStateError(
                f"{path} was saved by {len(state['random'])} processes and cannot be resumed by {self.ranks}."
            )
        self.student.load_state_dict(state["model"])
        self.average.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.objective.load_state_dict(state["objective"])
        self.step, self.best, self.seconds = state["step"], state["best"], state.get("seconds", 0.0)
        torch.set_rng_state(state["random"][self.rank])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"][self.rank], self.device)
        if not self.rank:
            for log in self.recipe.output.glob("*.csv"):  # the steps after the saved state are repeated
                rows = pd.read_csv(log)
                rows[rows["step"] <= self.step].to_csv(log, index=False)
        logger.info("Resuming at step %d of %d.", self.step, self.recipe.optimiser.steps)

    @property
    def state_path(self) -> Path:
        """The file that the run is resumed from."""
        return self.recipe.output / "last.pt"

    def state(self) -> dict[str, object]:
        """Return the state of all processes; every process must call this. Raises DivergedError."""
        self._check_losses()
        self.saved_at = time.monotonic()
        cuda = self.device.type == "cuda"
        return {
            "model": self.student.state_dict(),
            "ema": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "objective": self.objective.state_dict(),
            "step": self.step,
            "seconds": self._seconds_trained(),
            "best": self.best,
            "random": self._gathered(torch.get_rng_state()),
            "random_cuda": self._gathered(torch.cuda.get_rng_state(self.device)) if cuda else [],
        }

    def _gathered(self, tensor: Tensor) -> list[Tensor]:
        """Return `tensor` of every process, by rank, on the CPU."""
        if self.ranks == 1:
            return [tensor]
        mine = tensor.to(self.device)
        everyone = [torch.empty_like(mine) for _ in range(self.ranks)]
        distributed.all_gather(everyone, mine)
        return [theirs.cpu() for theirs in everyone]

    def score(self) -> dict[str, float]:
        """Score the averaged weights on the development images, save them, and keep the best.

        Returns the scores, empty on all but the first process.
        """
        self.scored_at = time.monotonic()
        if self.rank:
            return {}
        scores = self._development_scores()
        recipe = self.recipe
        provenance = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "steps": self.step,
            "images_per_step": recipe.data.batch * self.ranks,
            "image_size": recipe.data.size,
            "teacher": recipe.teacher.name if recipe.teacher else None,
            "started_from": recipe.start.name if recipe.start else None,
            "pruning": asdict(recipe.pruning) if recipe.pruning else None,
            "development_ap": scores,
            "note": recipe.note,
        }
        names = ["last.safetensors"]
        mean = sum(scores.values()) / len(scores) if scores else 0.0
        if mean >= self.best:
            self.best = mean
            names.append("best.safetensors")
        for name in names:
            save_weights(self.average.module, self.entry, recipe.output / name, provenance)
        self._append("scores.csv", {"step": self.step, **scores})
        return scores

    def _development_scores(self) -> dict[str, float]:
        evaluation = self.recipe.evaluation
        if evaluation is None:
            return {}
        records = half_of(read_manifest(evaluation.manifest, evaluation.source), evaluation.half)
        truth = wider_ground_truth(evaluation.ground_truth)
        return score_network(self.average.module, records[:: evaluation.stride], truth)

    def _log(self, losses: Mapping[str, float]) -> None:
        if self.rank:
            return
        row = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "step": self.step,
            "learning_rate": self.schedule.get_last_lr()[0],
            "mean": sum(losses.values()) / len(losses),
            **losses,
        }
        self._append("log.csv", row)
        logger.info(
            "Step %d of %d, %.1f images/s.", self.step, self.recipe.optimiser.steps, self.images_per_second
        )

    def _append(self, name: str, row: Mapping[str, object]) -> None:
        path = self.recipe.output / name
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row.keys())
            if new:
                writer.writeheader()
            writer.writerow(
                {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}
            )


def train_together(trainers: Sequence[Trainer]) -> list[dict[str, float]]:
    """Train students on the same batches, those of the first, and return the development scores of each.

    It ends when one of them is finished. Their states are always saved together, when the first one's is due.
    Raises RunStateError if they would resume from different steps, ManifestError for images that cannot be
    used, and DivergedError.
    """
    first = trainers[0]
    for other in trainers[1:]:
        if other.step != first.step:
            raise RunStateError(
                f"{first.state_path} is at step {first.step:,}, but {other.state_path} is at step "
                f"{other.step:,}: restore states of the same step, or remove both to start again."
            )
    feed = first.batches()
    for trainer in trainers:
        trainer.start_clock()
    while not any(trainer.finished for trainer in trainers):
        batch = next(feed)
        for trainer in trainers:
            trainer.take(batch)
        if first.save_is_due():
            _save(trainers)
    _save(trainers)
    scores = [trainer.score() for trainer in trainers]
    if first.ranks > 1:
        distributed.barrier()
        distributed.destroy_process_group()
    return scores


def _save(trainers: Sequence[Trainer]) -> None:
    states = {trainer.state_path: trainer.state() for trainer in trainers}
    if not trainers[0].rank:
        save_run_states(states)


def _teacher_network(recipe: Recipe, device: torch.device) -> FaceNetwork:
    if recipe.teacher is None:
        raise RuntimeError("The recipe was not checked.")
    network = load_network(MODELS[recipe.teacher_model], recipe.teacher).requires_grad_(False)
    return _channels_last(network.to(device))


def _join_processes(recipe: Recipe) -> tuple[int, int]:
    """Return this process's rank and the number of processes, as torchrun sets them.

    Raises RecipeError for a run of some minutes: processes that each decay the learning rate by their own
    clock would train different weights.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks > 1 and recipe.optimiser.minutes is not None:
        raise RecipeError(
            f"A run of {ranks} processes cannot end by the clock; remove `minutes`, set `steps`."
        )
    if ranks > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return int(os.environ.get("RANK", "0")), ranks


def _device(rank: int) -> torch.device:
    """Return the device of process `rank`; an accelerator is set for batches that all have one shape."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # convolutions already run in TF32
    return torch.device("cuda", rank)


def _student(recipe: Recipe) -> FaceNetwork:
    entry = MODELS[recipe.model]
    student = load_network(entry, recipe.start) if recipe.start else entry.builder()
    if recipe.backbone:
        student.body.load_state_dict(_imagenet_backbone(recipe.backbone))
    for name, path in recipe.start_modules.items():
        donor = load_network(MODELS[inspect_checkpoint(path).key], path)
        student.get_submodule(name).load_state_dict(donor.get_submodule(name).state_dict())
    return student


def _masks(student: nn.Module, recipe: Recipe) -> dict[str, Tensor]:
    if recipe.pruning is None:
        return {}
    make = weight_masks if recipe.pruning.of == "weights" else channel_masks
    return make(student, recipe.pruning.share)


def _channels_last(network: FaceNetwork) -> FaceNetwork:
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stub lacks it
    return network


def _dataset(recipe: Recipe, ranks: int) -> Dataset[Sample]:
    data = recipe.data
    if data.manifest is not None:
        records = read_manifest(data.manifest)
    elif data.wider is not None:
        records = read_wider_labels(data.wider)
    else:
        raise RuntimeError("The recipe was not checked.")
    images = ImageStore(records, int(data.cache_gib * 2**30), data.complete)
    if data.preload:
        images.preload()
    samples = recipe.optimiser.steps * data.batch * ranks
    dataset: Composites | SquareCrops
    if data.composites:
        dataset = Composites(images, data.composites, data.size, length=samples)
    else:
        dataset = SquareCrops(images, data.size, seed=recipe.seed, length=samples)
    return cast("Dataset[Sample]", dataset)


def _imagenet_backbone(path: Path) -> dict[str, Tensor]:
    """Return the backbone's part of an ImageNet classifier's weights."""
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    names = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in names.items() if not name.startswith("fc.")}


def _set_modes(student: nn.Module, settings: OptimiserSettings) -> None:
    student.train()
    if settings.fixed:
        for name in matching_modules(student, settings.fixed):
            student.get_submodule(name).requires_grad_(False).eval()
    if settings.frozen_batch_norm:
        for name in matching_modules(student, settings.frozen_batch_norm):
            for module in student.get_submodule(name).modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()


def _ema(decay: float) -> Callable[..., None]:
    return cast("Callable[..., None]", get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
