"""Copies of networks that only run forward."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from featherface.models.deformable import InferenceDeformableConv2d, ModulatedDeformableConv2d

__all__ = ["inference_copy"]

_Network = TypeVar("_Network", bound=nn.Module)


def inference_copy(network: _Network) -> _Network:
    """Return a copy of `network` in evaluation mode that runs faster in PyTorch; the network stays as it is.

    Channels last in memory, deformable convolutions replaced by their faster twins, no gradients.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    for name, module in list(copied.named_modules()):
        if isinstance(module, ModulatedDeformableConv2d):
            copied.set_submodule(name, InferenceDeformableConv2d(module).requires_grad_(False))
    return copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
