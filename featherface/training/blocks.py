"""Block-by-block distillation: each block of the student learns from its counterpart in the teacher.

A block receives the input of the teacher's block and is compared with that block's output, so all blocks
train at the same time and errors do not propagate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from featherface.errors import FeatherFaceError
from featherface.training.batches import Batch, network_input

__all__ = ["BlockDistillation", "ModuleNameError", "matching_modules"]

_LEAST_VARIANCE_SHARE = 0.01  # of a block's mean variance, so that a nearly constant channel cannot dominate


class ModuleNameError(FeatherFaceError):
    """A recipe names a module that the network does not have."""


def matching_modules(network: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Return the names of modules that match a pattern such as `body.stage*.*`, compared part by part.

    Raises ModuleNameError for a pattern that no module matches.
    """
    names = [name for name, _ in network.named_modules() if name]
    found: dict[str, None] = {}
    for pattern in patterns:
        parts = pattern.split(".")
        matched = [
            name
            for name in names
            if name.count(".") == len(parts) - 1
            and all(fnmatchcase(part, wanted) for part, wanted in zip(name.split("."), parts, strict=True))
        ]
        if not matched:
            raise ModuleNameError(f"{type(network).__name__} has no module {pattern!r}; check the recipe.")
        found.update(dict.fromkeys(matched))
    return list(found)


class BlockDistillation(nn.Module):
    """The loss of every block: squared error over the variance of the teacher's output, per channel.

    A block that predicts the mean scores 1, a perfect copy 0. Blocks in `local` are trained on a random
    window of `window` x `window` cells of their input: many steps on few cells train a small block faster
    than few steps on many. Blocks in `whole`, whose output depends on the whole map or on several maps, see
    all of it. Call `calibrate` first. Raises ModuleNameError.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        *,
        local: Sequence[str],
        whole: Sequence[str],
        window: int,
    ) -> None:
        super().__init__()
        self._local = frozenset(matching_modules(student, local))
        self._blocks = {
            name: (student.get_submodule(name), teacher.get_submodule(name))
            for name in (*self._local, *matching_modules(student, whole))
        }
        self._window = window
        self._teach = teacher.forward
        self._inputs: dict[str, Any] = {}
        self._taught: Batch | None = None  # the batch that `_inputs` belong to
        self._replaying = False  # a teacher block that runs on a window must not overwrite `_inputs`
        self._variances: dict[str, list[Tensor]] = {}
        for name, (_, twin) in self._blocks.items():
            twin.register_forward_pre_hook(self._remember(name))

    def calibrate(self, some: Sequence[Batch]) -> None:
        """Measure the teacher's output variances and the student's batch norm statistics on `some`."""
        norms = [
            module
            for block, _ in self._blocks.values()
            for module in block.modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm)
        ]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
            norm.momentum = None  # the plain average over all batches
        gathered: dict[str, list[list[Tensor]]] = {name: [] for name in self._blocks}
        with torch.no_grad():
            for batch in some:
                for name, _, taught in self._run(batch):
                    gathered[name].append([output.var(dim=(0, 2, 3), keepdim=True) for output in taught])
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
        for name, rows in gathered.items():
            means = [torch.stack(column).mean(dim=0) for column in zip(*rows, strict=True)]
            floors = [float(_LEAST_VARIANCE_SHARE * mean.mean()) for mean in means]
            self._variances[name] = [mean.clamp_min(floor) for mean, floor in zip(means, floors, strict=True)]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of each block on `batch` by name, scalars."""
        return {
            name: torch.stack(
                [
                    ((mine - theirs).square() / variance).mean()
                    for mine, theirs, variance in zip(made, taught, self._variances[name], strict=True)
                ]
            ).mean()
            for name, made, taught in self._run(batch)
        }

    def _run(self, batch: Batch) -> Iterator[tuple[str, tuple[Tensor, ...], tuple[Tensor, ...]]]:
        if batch is not self._taught:
            self._replaying = False
            with torch.no_grad():
                self._teach(network_input(batch.pixels))
            self._replaying, self._taught = True, batch
        for name, (block, twin) in self._blocks.items():
            seen = self._inputs[name]
            if name in self._local:
                seen = _random_window(seen, self._window)
            with torch.no_grad():
                taught = twin(seen)
            yield name, _as_tuple(block(seen)), _as_tuple(taught)

    def _remember(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            if not self._replaying:
                self._inputs[name] = arguments[0]

        return hook


def _random_window(features: Tensor, side: int) -> Tensor:
    height, width = features.shape[-2:]
    top = int(torch.randint(max(height - side, 0) + 1, ()))
    left = int(torch.randint(max(width - side, 0) + 1, ()))
    window = features[..., top : top + side, left : left + side]
    return window.contiguous(memory_format=torch.channels_last)


def _as_tuple(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)
