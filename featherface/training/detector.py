"""End-to-end training of a detector: labels, a teacher, or both."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from featherface.models.compiled import compiled
from featherface.training.batches import Batch, network_input
from featherface.training.losses import distillation_losses, hint_loss, multibox_losses
from featherface.training.mixing import cutmix, dropblock, mixup
from featherface.training.settings import DetectorSettings
from featherface.training.targets import anchor_tensor, picture_targets

__all__ = ["DetectorObjective"]

_LANDMARK_SHARE = 0.3  # of a distilled landmark loss: ten values a face should not outweigh its box


class DetectorObjective(nn.Module):
    """The weighted losses of a student on a batch, from its labels and from its teacher.

    Holds as parameters of its own the 1 x 1 convolutions that widen the student's features to the teacher's.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module | None, settings: DetectorSettings) -> None:
        super().__init__()
        self._student = (student,)  # in a tuple: its weights are not this module's
        self._teach = None if teacher is None else compiled(_WithFeatures(teacher))
        self._taught: WeakKeyDictionary[Batch, tuple[Tensor, ...]] = WeakKeyDictionary()
        self.settings = settings
        self._weights = {"class": settings.class_weight, "box": settings.box_weight, "landmark": 1.0}
        self.adapters = nn.ModuleList(_adapters(student, teacher) if settings.hints else ())

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss terms of `batch`, already weighted, each a scalar."""
        settings = self.settings
        (student,) = self._student
        batch = self._mixed(batch)
        pixels = network_input(batch.pixels)
        levels = student.pyramid(pixels)
        if settings.dropblock:
            levels = tuple(dropblock(level, settings.dropblock) for level in levels)
        outputs = student.heads(levels)
        losses: dict[str, Tensor] = {}
        if settings.labels:
            losses |= self._label_losses(outputs, batch)
        if self._teach is not None:
            taught = self._taught_on(batch, pixels)
            taught_outputs, taught_levels = taught[:3], taught[3:]
            distilled = distillation_losses(
                _float(outputs), taught_outputs, settings.temperature, settings.score_power
            )
            weights = self._weights | {"landmark": _LANDMARK_SHARE}
            for name, loss in distilled.items():
                losses[f"distilled_{name}"] = settings.distillation * weights[name] * loss
            if settings.hints:
                mine = [adapter(level) for adapter, level in zip(self.adapters, levels, strict=True)]
                losses["hints"] = settings.hints * hint_loss(mine, taught_levels)
        return losses

    def _taught_on(self, batch: Batch, pixels: Tensor) -> tuple[Tensor, ...]:
        """What the teacher says of `batch`, asked once for as long as the batch is kept."""
        if batch not in self._taught:
            with torch.no_grad(), torch.autocast(pixels.device.type, enabled=False):
                self._taught[batch] = self._teach(pixels)[: None if self.settings.hints else 3]
        return self._taught[batch]

    def _label_losses(self, outputs: tuple[Tensor, Tensor, Tensor], batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        anchors = anchor_tensor(batch.pixels.shape[-1], batch.pixels.device)
        targets = [
            picture_targets(boxes, points, weights, anchors, settings.match_iou)
            for boxes, points, weights in zip(batch.boxes, batch.landmarks, batch.weights, strict=True)
        ]
        terms = multibox_losses(_float(outputs), targets, batch.complete, settings.negatives)
        return {
            f"labelled_{name}": settings.labels * self._weights[name] * loss for name, loss in terms.items()
        }

    def _mixed(self, batch: Batch) -> Batch:
        """Mix the batch as the settings ask; draws come from torch's generator, which a checkpoint keeps."""
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


class _WithFeatures(nn.Module):
    """A network that returns its pyramid's levels after its three outputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        levels = self.network.pyramid(pixels)
        return (*self.network.heads(levels), *levels)


def _adapters(student: nn.Module, teacher: nn.Module) -> list[nn.Module]:
    """1 x 1 convolutions from the student's pyramid channels to the teacher's, one a level."""
    some = torch.zeros(1, 3, 64, 64, device=next(student.parameters()).device)
    with torch.no_grad():
        mine, theirs = (network.eval().pyramid(some) for network in (student, teacher))
    return [nn.Conv2d(a.shape[1], b.shape[1], 1) for a, b in zip(mine, theirs, strict=True)]


def _float(outputs: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(output.float() for output in outputs)
