"""The loss of end-to-end training: labels, a teacher, or both."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from featherface.models.face_network import FaceNetwork, HeadOutputs
from featherface.training.batches import Batch, network_input
from featherface.training.losses import distillation_losses, hint_loss, multibox_losses
from featherface.training.mixing import cutmix, dropblock, mixup
from featherface.training.recipe import DetectorSettings
from featherface.training.targets import anchor_tensor, image_targets
from featherface.training.teacher import Teacher

__all__ = ["DetectorObjective"]

_LANDMARK_SHARE = 0.3  # weight of distilled landmarks: ten values per face should not outweigh its box


class DetectorObjective(nn.Module):
    """The weighted losses of a student on a batch, against its labels and its teacher.

    Its own parameters are the 1 x 1 convolutions that widen the student's features to the teacher's for
    hints.
    """

    def __init__(self, student: FaceNetwork, teacher: Teacher | None, settings: DetectorSettings) -> None:
        super().__init__()
        self._student = (student,)  # in a tuple: its weights are not this module's
        self._teacher = teacher
        self.settings = settings
        self._weights = {"class": settings.class_weight, "box": settings.box_weight, "landmark": 1.0}
        hints = settings.hints and teacher is not None
        self.adapters = nn.ModuleList(
            _adapters(student, teacher.network) if hints and teacher is not None else ()
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted loss terms of `batch` by name, scalars."""
        settings = self.settings
        (student,) = self._student
        batch = self._mixed(batch)
        pixels = network_input(batch.pixels)
        levels = student.pyramid(pixels)
        if settings.dropblock:
            fine, middle, coarse = (dropblock(level, settings.dropblock) for level in levels)
            levels = fine, middle, coarse
        outputs = _as_float32(student.heads(levels))
        losses: dict[str, Tensor] = {}
        if settings.labels:
            losses |= self._label_losses(outputs, batch)
        if self._teacher is not None:
            taught = self._teacher(batch)
            distilled = distillation_losses(
                outputs,
                taught.outputs,
                settings.temperature,
                settings.score_power,
                per_image=settings.per_image,
                located=taught.located,
            )
            weights = self._weights | {"landmark": _LANDMARK_SHARE}
            for name, loss in distilled.items():
                losses[f"distilled_{name}"] = settings.distillation * weights[name] * loss
            if settings.hints:
                mine = [adapter(level) for adapter, level in zip(self.adapters, levels, strict=True)]
                losses["hints"] = settings.hints * hint_loss(mine, taught.levels)
        return losses

    def _label_losses(self, outputs: HeadOutputs, batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        anchors = anchor_tensor(batch.pixels.shape[-1], batch.pixels.device)
        labels = zip(batch.boxes, batch.landmarks, batch.scores, batch.weights, strict=True)
        targets = [image_targets(*label, anchors, settings.match_iou) for label in labels]
        terms = multibox_losses(outputs, targets, batch.complete, settings.negatives)
        return {
            f"labelled_{name}": settings.labels * self._weights[name] * loss for name, loss in terms.items()
        }

    def _mixed(self, batch: Batch) -> Batch:
        """Apply CutMix or MixUp, with PyTorch's generator, whose state is saved."""
        settings = self.settings
        if settings.cutmix and torch.rand(()) < settings.cutmix:
            size = batch.pixels.shape[-1]
            side = int(size * float(torch.rand(())) ** 0.5 * 0.7)
            left, top = (int(torch.randint(size - side + 1, ())) for _ in range(2))
            return cutmix(batch, left, top, side, side)
        if settings.mixup_alpha:
            rng = np.random.default_rng(int(torch.randint(2**31, ())))
            share = float(rng.beta(settings.mixup_alpha, settings.mixup_alpha))
            return mixup(batch, max(share, 1 - share))
        return batch


def _adapters(student: FaceNetwork, teacher: FaceNetwork) -> Iterator[nn.Module]:
    """Yield one 1 x 1 convolution per level from the student's pyramid channels to the teacher's."""
    example = torch.zeros(1, 3, 64, 64, device=next(student.parameters()).device)
    with torch.no_grad():
        mine, theirs = (network.eval().pyramid(example) for network in (student, teacher))
    for a, b in zip(mine, theirs, strict=True):
        yield nn.Conv2d(a.shape[1], b.shape[1], 1)


def _as_float32(outputs: HeadOutputs) -> HeadOutputs:
    loc, conf, landm = outputs
    return loc.float(), conf.float(), landm.float()
