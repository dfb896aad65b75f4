"""The trainer: one loop for block-by-block and end-to-end training that resumes exactly where it was."""

from __future__ import annotations

import csv
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

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
from featherface.training.batches import Batch, batches
from featherface.training.blocks import BlockDistillation, matching_modules
from featherface.training.checkpoints import load_checkpoint, save_checkpoint
from featherface.training.composites import Composites
from featherface.training.crops import SquareCrops
from featherface.training.detector import DetectorObjective
from featherface.training.pictures import Pictures
from featherface.training.samples import Sample
from featherface.training.settings import OptimiserSettings, TrainingSettings
from featherface.training.wider_labels import read_wider_labels

__all__ = ["DivergedError", "Trainer"]

logger = logging.getLogger(__name__)

_LOG_STEPS = 20  # steps averaged into one line of the log


class DivergedError(FeatherFaceError):
    """The loss is no longer a number; the message names the step and the checkpoint to go back to."""


class Trainer:
    """One run as `settings` describe it, going on from the last checkpoint in its folder.

    The folder gets `last.pt` (everything needed to resume), `best.safetensors` and `last.safetensors`
    (averaged weights with their records), `log.csv` (losses) and `scores.csv` (development scores). Under
    torchrun every process takes its share of the batches.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        self.rank, self.ranks = _join_processes()
        self.device = torch.device("cuda", self.rank) if torch.cuda.is_available() else torch.device("cpu")
        settings.output.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        self.entry = MODELS[settings.model]
        self.student = _student(settings).to(self.device, memory_format=torch.channels_last)
        self.dataset = _dataset(settings)
        self.objective = self._objective()
        _set_modes(self.student, settings.optimiser)
        learning = [parameter for parameter in self.student.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [{"params": learning}, {"params": list(self.objective.parameters())}],
            settings.optimiser.learning_rate,
            weight_decay=settings.optimiser.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, _cosine(settings.optimiser))
        self.average = AveragedModel(
            self.student, multi_avg_fn=get_ema_multi_avg_fn(settings.optimiser.ema_decay), use_buffers=True
        )
        self.step = 0
        self.best = -1.0
        self.scored_at = time.monotonic()
        torch.manual_seed(settings.seed + self.rank)
        self._resume()

    def run(self) -> dict[str, float]:
        """Train to the last step and return its development scores.

        Raises DivergedError when the loss is not finite.
        """
        settings = self.settings.optimiser
        saved_at = time.monotonic()
        recent: list[dict[str, float]] = []
        feed = self._batches()
        while self.step < settings.steps:
            recent.append(self._learn(next(feed)))
            self.step += 1
            if self.step % _LOG_STEPS == 0:
                self._log({name: fmean(row[name] for row in recent) for name in recent[0]})
                recent.clear()
            if time.monotonic() - saved_at > self.settings.save_seconds:
                self._save()
                saved_at = time.monotonic()
            evaluation = self.settings.evaluation
            if evaluation and time.monotonic() - self.scored_at > 60 * evaluation.every_minutes:
                self._score()
        self._save()
        scores = self._score()
        if self.ranks > 1:
            distributed.destroy_process_group()
        return scores

    def _learn(self, batch: Batch) -> dict[str, float]:
        with self._precision():
            losses = self.objective(batch)
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            last = self.settings.output / "last.pt"
            raise DivergedError(
                f"The loss is {total.item()} at step {self.step}; {last} holds the last good state."
            )
        self.optimiser.zero_grad()
        total.backward()
        self._share_gradients()
        if self.settings.optimiser.clip_norm:
            nn.utils.clip_grad_norm_(self.student.parameters(), self.settings.optimiser.clip_norm)
        self.optimiser.step()
        self.schedule.step()
        self.average.update_parameters(self.student)
        return {name: loss.item() for name, loss in losses.items()}

    def _precision(self) -> torch.autocast | nullcontext:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _batches(self) -> Iterator[Batch]:
        """Yield a batch a step from here on: a pool in the order it comes, then shuffled, `repeats` times."""
        settings, data = self.settings.optimiser, self.settings.data
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
        for number in rounds:
            pool: list[Batch] = []
            for turn in range(length):
                if turn < settings.pool:
                    pool.append(next(fresh).to(self.device))
                if turn >= done:
                    yield pool[self._place(number, turn)]
            done = 0

    def _place(self, number: int, turn: int) -> int:
        """Return where in its pool the batch of a round's turn lies."""
        turns, place = divmod(turn, self.settings.optimiser.pool)
        if not turns:
            return place
        rng = np.random.default_rng((self.settings.seed, number, turns))
        return int(rng.permutation(self.settings.optimiser.pool)[place])

    def _objective(self) -> nn.Module:
        settings = self.settings
        teacher = None
        if settings.teacher is not None:
            teacher = load_network(MODELS[settings.teacher_model], settings.teacher).requires_grad_(False)
            teacher = teacher.to(self.device, memory_format=torch.channels_last)
        if settings.detector:
            return DetectorObjective(self.student, teacher, settings.detector).to(self.device)
        blocks = settings.blocks
        objective = BlockDistillation(
            self.student, teacher, local=blocks.local, whole=blocks.whole, window=blocks.window
        )
        some = batches(
            self.dataset,
            size=settings.data.batch,
            first=0,
            count=blocks.calibration,
            workers=settings.data.workers,
        )
        objective.calibrate([batch.to(self.device) for batch in some])
        return objective

    def _share_gradients(self) -> None:
        if self.ranks == 1:
            return
        learning = (*self.student.parameters(), *self.objective.parameters())
        gradients = [parameter.grad for parameter in learning if parameter.grad is not None]
        shared = torch.cat([gradient.flatten() for gradient in gradients])  # one message, not one a parameter
        distributed.all_reduce(shared)
        shared /= self.ranks
        parts = shared.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _resume(self) -> None:
        path = self.settings.output / "last.pt"
        if not path.exists():
            return
        state = load_checkpoint(path)
        self.student.load_state_dict(state["model"])
        self.average.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.objective.load_state_dict(state["objective"])
        self.step, self.best = state["step"], state["best"]
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["random_cuda"])
        for log in self.settings.output.glob("*.csv"):  # what comes after the checkpoint is done again
            rows = pd.read_csv(log)
            rows[rows["step"] <= self.step].to_csv(log, index=False)
        logger.info("Going on at step %d of %d.", self.step, self.settings.optimiser.steps)

    def _save(self) -> None:
        if self.rank:
            return
        state = {
            "model": self.student.state_dict(),
            "ema": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "objective": self.objective.state_dict(),
            "step": self.step,
            "best": self.best,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),
        }
        save_checkpoint(state, self.settings.output / "last.pt")

    def _score(self) -> dict[str, float]:
        """Score the averaged weights on the development pictures and keep them if they are the best yet."""
        self.scored_at = time.monotonic()
        if self.rank:
            return {}
        scores = self._development_scores()
        provenance = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "steps": self.step,
            "pictures_per_step": self.settings.data.batch * self.ranks,
            "picture_side": self.settings.data.size,
            "teacher": self.settings.teacher.name if self.settings.teacher else None,
            "started_from": self.settings.start.name if self.settings.start else None,
            "development_ap": scores,
            "note": self.settings.note,
        }
        names = ["last.safetensors"]
        mean = sum(scores.values()) / len(scores) if scores else 0.0
        if mean >= self.best:
            self.best = mean
            names.append("best.safetensors")
        for name in names:
            save_weights(self.average.module, self.entry, self.settings.output / name, provenance)
        self._append("scores.csv", {"step": self.step, **scores})
        self._save()
        return scores

    def _development_scores(self) -> dict[str, float]:
        evaluation = self.settings.evaluation
        if evaluation is None:
            return {}
        records = read_manifest(evaluation.manifest, evaluation.source)[:: evaluation.stride]
        truth = wider_ground_truth(evaluation.ground_truth)
        return score_network(self.average.module, records, truth)

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

    def _append(self, name: str, row: Mapping[str, object]) -> None:
        path = self.settings.output / name
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row.keys())
            if new:
                writer.writeheader()
            writer.writerow(
                {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}
            )


def _join_processes() -> tuple[int, int]:
    """Return this process's rank and how many there are, as torchrun sets them."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks > 1:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return int(os.environ.get("RANK", "0")), ranks


def _student(settings: TrainingSettings) -> nn.Module:
    entry = MODELS[settings.model]
    student = load_network(entry, settings.start) if settings.start else entry.builder()
    if settings.backbone:
        student.body.load_state_dict(_imagenet_backbone(settings.backbone))
    for name, path in settings.start_modules.items():
        donor = load_network(MODELS[inspect_checkpoint(path).key], path)
        student.get_submodule(name).load_state_dict(donor.get_submodule(name).state_dict())
    return student


def _dataset(settings: TrainingSettings) -> Dataset[Sample]:
    data = settings.data
    records = read_manifest(data.manifest) if data.manifest else read_wider_labels(data.wider)
    pictures = Pictures(records, int(data.cache_gib * 2**30))
    samples = settings.optimiser.steps * data.batch * int(os.environ.get("WORLD_SIZE", "1"))
    if data.composites:
        return Composites(pictures, data.composites, data.size, length=samples)
    return SquareCrops(pictures, data.size, seed=settings.seed, length=samples)


def _imagenet_backbone(path: Path) -> dict[str, Tensor]:
    """Return the backbone's part of an ImageNet classifier's checkpoint."""
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


def _cosine(settings: OptimiserSettings) -> Callable[[int], float]:
    warm = settings.warmup_steps

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return (1 + math.cos(math.pi * min((step - warm) / max(settings.steps - warm, 1), 1))) / 2

    return factor
