"""Magnitude pruning: the smallest weights, or the weakest channels, of a network.

Weights over all convolutions and linear layers together: Han et al., arXiv 1506.02626. Channels by the L1
norm of their filters: Li et al., arXiv 1608.08710.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

__all__ = ["channel_masks", "keep_zeros", "pruned", "weight_masks", "without_zero_channels"]

_STAGES = ("body.stage1", "body.stage2", "body.stage3")  # blocks of convolution, batch norm and activation
_CHANNEL_STEP = 8  # channels kept are a multiple of it, or kernels waste what is left of a vector


def pruned(network: nn.Module, share: float) -> nn.Module:
    """Return a copy of `network` with the smallest `share`, 0..1, of its weights set to zero.

    Nothing is retrained, and nothing gets smaller or faster by itself: it shows how many weights matter.
    """
    smaller = copy.deepcopy(network)
    smaller.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # PyTorch's stub lacks it
    weights = [
        (module, "weight") for module in smaller.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=share)
    for module, name in weights:
        prune.remove(module, name)  # type: ignore[no-untyped-call]
    return smaller


def weight_masks(network: nn.Module, share: float) -> dict[str, Tensor]:
    """Return which weights `pruned` keeps, as a mask of ones and zeros per name of a parameter."""
    kept = dict(pruned(network, share).named_parameters())
    return {
        name: (kept[name] != 0).to(parameter.dtype)
        for name, parameter in network.named_parameters()
        if not torch.equal(kept[name], parameter)
    }


def channel_masks(network: nn.Module, share: float) -> dict[str, Tensor]:
    """Return masks of ones and zeros, per name of a parameter, that silence the weakest `share` of channels.

    Of the channels between two blocks within a stage of the backbone: gates and pyramid read the others. A
    channel's strength is the L1 norm of its filter with the batch norm's factor.
    """
    masks: dict[str, Tensor] = {}
    for channels in _inner_channels(network):
        strengths = channels.filters.weight.abs().sum(dim=(1, 2, 3)) * _scale(channels.norm)
        count = _CHANNEL_STEP * max(1, round(len(strengths) * (1 - share) / _CHANNEL_STEP))
        kept = torch.zeros_like(strengths)
        kept[strengths.topk(min(count, len(strengths))).indices] = 1
        for name, parameter, axis in channels.parameters():
            shape = [1] * parameter.dim()
            shape[axis] = -1
            masks[name] = masks.get(name, torch.ones_like(parameter)) * kept.view(shape)
    return masks


def keep_zeros(network: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set the parameters of `network` to zero where their masks are zero."""
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].mul_(mask)


def without_zero_channels(network: nn.Module) -> nn.Module:
    """Return a copy of `network` without the channels that `channel_masks` silences; it computes the same."""
    smaller = copy.deepcopy(network)
    for channels in _inner_channels(smaller):
        kept = channels.norm.weight.nonzero()[:, 0]
        for layer in (channels.norm, channels.next_norm):
            layer.weight, layer.bias = _part(layer.weight, kept), _part(layer.bias, kept)
            layer.running_mean = cast("Tensor", layer.running_mean)[kept]
            layer.running_var = cast("Tensor", layer.running_var)[kept]
            layer.num_features = len(kept)
        channels.filters.weight = _part(channels.filters.weight, kept)
        channels.depthwise.weight = _part(channels.depthwise.weight, kept)
        channels.pointwise.weight = _part(channels.pointwise.weight, kept, axis=1)
        channels.filters.out_channels = channels.pointwise.in_channels = len(kept)
        depthwise = channels.depthwise
        depthwise.in_channels = depthwise.out_channels = depthwise.groups = len(kept)
    return smaller


class _InnerChannels(NamedTuple):
    """The layers that write and read the channels between two blocks of a stage."""

    filters: nn.Conv2d
    norm: nn.BatchNorm2d
    depthwise: nn.Conv2d
    next_norm: nn.BatchNorm2d
    pointwise: nn.Conv2d
    names: tuple[str, ...]  # of the five layers

    def parameters(self) -> Iterator[tuple[str, Tensor, int]]:
        """Yield each parameter with its name and the axis of the channels."""
        layers: tuple[nn.Conv2d | nn.BatchNorm2d, ...]
        layers = self.filters, self.norm, self.depthwise, self.next_norm, self.pointwise
        for name, layer in zip(self.names, layers, strict=True):
            yield f"{name}.weight", layer.get_parameter("weight"), int(layer is self.pointwise)
            if layer.bias is not None:
                yield f"{name}.bias", layer.get_parameter("bias"), 0


def _inner_channels(network: nn.Module) -> Iterator[_InnerChannels]:
    for stage in _STAGES:
        blocks = [name for name, _ in network.get_submodule(stage).named_children()]
        for block, following in pairwise(f"{stage}.{name}" for name in blocks):
            *_, convolution, norm, _ = (name for name, _ in network.get_submodule(block).named_children())
            names = f"{block}.{convolution}", f"{block}.{norm}", *(f"{following}.{at}" for at in (0, 1, 3))
            layers: list[Any] = [network.get_submodule(name) for name in names]
            filters, batch_norm, depthwise, next_norm, pointwise = layers
            yield _InnerChannels(filters, batch_norm, depthwise, next_norm, pointwise, names)


def _scale(norm: nn.BatchNorm2d) -> Tensor:
    return norm.weight.abs() / torch.sqrt(cast("Tensor", norm.running_var) + norm.eps)


def _part(parameter: Tensor, kept: Tensor, axis: int = 0) -> nn.Parameter:
    return nn.Parameter(parameter.detach().index_select(axis, kept), parameter.requires_grad)
