"""The layer table of a network: what each layer does and costs at one input size.

Counted on the meta device: the real forward pass runs on shapes without values, so every size is quick.

Conventions, here and in every table: a multiply-accumulate (MAC) is two floating-point operations (FLOPs).
Batch norm counts `BATCH_NORM_MACS` MACs per value, as thop has it, in totals that include it, so that they
compare with the study and with published figures. What runs on a machine is the folded network: its batch
norms are part of the convolutions before them and cost nothing (`folds_away`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from featherface.config import MIN_INPUT_SIZE, STRIDES
from featherface.errors import FeatherFaceError
from featherface.models import MODELS, ModelEntry
from featherface.models.deformable import ModulatedDeformableConv2d
from featherface.profiling.parameters import network_on_meta

__all__ = [
    "BATCH_NORM_MACS",
    "FLOPS_PER_MAC",
    "MAC_RULES",
    "AlignedLayer",
    "InputSizeError",
    "Layer",
    "MacRule",
    "align",
    "check_size",
    "layer_table",
]

FLOPS_PER_MAC = 2
BATCH_NORM_MACS = 4  # per value, thop's convention
BYTES_PER_VALUE = 4  # float32


class InputSizeError(FeatherFaceError):
    """An input too small for the networks' coarsest level."""


@dataclass(frozen=True)
class MacRule:
    """The rule for the MACs of one kind of module: `count(module, output)`, in words `text`."""

    text: str
    count: Callable[[Any, Tensor], int]
    folds_away: bool = False  # into the convolution before it, when the network is compiled


def _convolution(module: Any, output: Tensor) -> int:
    return int(output.numel() * (module.in_channels // module.groups) * prod(module.kernel_size))


def _deformable(module: Any, output: Tensor) -> int:
    return int(output.numel() * prod(module.regular_conv.weight.shape[1:]))


def _linear(module: Any, output: Tensor) -> int:
    return output.numel() * int(module.in_features)


MAC_RULES: Mapping[type[nn.Module], MacRule] = MappingProxyType(
    {
        nn.Conv2d: MacRule(
            "output values x input channels per group x kernel area; biases free", _convolution
        ),
        nn.Linear: MacRule(
            "output values x input features; biases free",
            _linear,
        ),
        ModulatedDeformableConv2d: MacRule(
            "output values x input channels x 9; sampling and modulation free, "
            "its offset and mask convolutions are layers of their own",
            _deformable,
        ),
        nn.BatchNorm2d: MacRule(
            f"{BATCH_NORM_MACS} x values; none once folded",
            lambda _, output: BATCH_NORM_MACS * output.numel(),
            folds_away=True,
        ),
    }
)


@dataclass(frozen=True)
class Layer:
    """One layer at one output shape, in the order of the forward pass.

    A layer that runs several times with the same shape is one row with `calls` above 1; `macs` and
    `bytes_moved` are those of all calls. Shared weights are counted in the first row that uses them.
    """

    name: str  # dotted path in the network
    kind: str  # class of the module
    role: str  # what it does, the same words in both models where it is the same part
    group: str
    level: str  # "P3" to "P5", or "" where the layer serves all
    output_shape: tuple[int, ...]  # (N, C, H, W) or (N, C); () for fusion weights, which have no output
    parameters: int
    macs: int
    folds_away: bool
    activation_bytes: int  # of the output, float32
    bytes_moved: int  # inputs read, outputs written, parameters read, each once
    calls: int = 1

    @property
    def flops(self) -> int:
        """Return the floating-point operations."""
        return FLOPS_PER_MAC * self.macs

    @property
    def intensity(self) -> float:
        """Return the arithmetic intensity: FLOPs per byte moved, every tensor read and written once."""
        return self.flops / self.bytes_moved if self.bytes_moved else 0.0


@dataclass(frozen=True)
class AlignedLayer:
    """The layers of two models with the same role; None where a model has no such layer."""

    role: str
    level: str
    group: str
    first: Layer | None
    second: Layer | None

    @property
    def differs(self) -> bool:
        """Return whether kind, shape, parameters or MACs differ, or one model has no such layer."""
        return _signature(self.first) != _signature(self.second)


def check_size(height: int, width: int) -> None:
    """Raise InputSizeError unless height and width, in pixels, are at least MIN_INPUT_SIZE."""
    if min(height, width) < MIN_INPUT_SIZE:
        raise InputSizeError(
            f"The input size is {width} x {height} pixels; "
            f"width and height must each be at least {MIN_INPUT_SIZE}."
        )


@lru_cache(maxsize=64)
def layer_table(key: str, height: int, width: int) -> tuple[Layer, ...]:
    """Return the layers that one image of `height` x `width` pixels passes through.

    The parameters of the rows add up to the network's. Raises InputSizeError.
    """
    check_size(height, width)
    rows: dict[tuple[str, tuple[int, ...]], Layer] = {}
    for layer in _layers(MODELS[key], height, width):
        place = layer.name, layer.output_shape
        rows[place] = _merged(rows[place], layer) if place in rows else layer
    return tuple(rows.values())


def align(first: Sequence[Layer], second: Sequence[Layer]) -> tuple[AlignedLayer, ...]:
    """Pair the layers of two models by role and level, in the order of the forward pass."""
    ours = {(layer.role, layer.level): layer for layer in first}
    theirs = {(layer.role, layer.level): layer for layer in second}
    places = list(ours)
    before = len(places)
    for place in reversed(theirs):  # insert layers that only the second model has before the next shared one
        if place in ours:
            before = places.index(place)
        else:
            places.insert(before, place)
    return tuple(
        AlignedLayer(*place, (ours.get(place) or theirs[place]).group, ours.get(place), theirs.get(place))
        for place in places
    )


@dataclass(frozen=True, eq=False)
class _Call:
    name: str
    module: nn.Module
    inputs: tuple[object, ...]
    output: object


def _layers(entry: ModelEntry, height: int, width: int) -> Iterator[Layer]:
    """Yield one layer per call of a module, its parameters with the first call."""
    network = network_on_meta(entry)
    calls = _calls(network, height, width)
    unclaimed = _parameters_by_call(network, {call.name for call in calls})
    for call in calls:
        yield _layer(call, unclaimed.pop(call.name, 0), entry, height)


def _calls(network: nn.Module, height: int, width: int) -> list[_Call]:
    """Return every call of a module that has a rule, parameters of its own or no children, in order."""
    calls: list[_Call] = []

    def listen(name: str, module: nn.Module) -> None:
        module.register_forward_hook(
            lambda module, inputs, output: calls.append(_Call(name, module, inputs, output))
        )

    for name, module in network.named_modules():
        childless = not any(module.children())
        if type(module) in MAC_RULES or childless or any(True for _ in module.parameters(recurse=False)):
            listen(name, module)
    with torch.no_grad():
        network(torch.zeros(1, 3, height, width, device="meta"))
    return calls


def _parameters_by_call(network: nn.Module, called: Collection[str]) -> Counter[str]:
    """Return the parameters of each called module; those of one that is never called go to its parent."""
    counts: Counter[str] = Counter()
    for name, parameter in network.named_parameters():
        owner = name.rpartition(".")[0]
        while owner and owner not in called:
            owner = owner.rpartition(".")[0]
        counts[owner] += parameter.numel()
    return counts


def _layer(call: _Call, parameters: int, entry: ModelEntry, height: int) -> Layer:
    rule = MAC_RULES.get(type(call.module))
    shape = tuple(call.output.shape) if isinstance(call.output, Tensor) else ()
    read = sum(value.numel() for value in call.inputs if isinstance(value, Tensor)) + parameters
    written = prod(shape) if shape else 0
    return Layer(
        name=call.name,
        kind=type(call.module).__name__ if shape else "Parameter",
        role=entry.names.role_of(call.name),
        group=entry.names.group_of(call.name),
        level=_level(shape, height) or entry.names.level_of(call.name),
        output_shape=shape,
        parameters=parameters,
        macs=rule.count(call.module, call.output) if rule and isinstance(call.output, Tensor) else 0,
        folds_away=bool(rule and rule.folds_away),
        activation_bytes=BYTES_PER_VALUE * written,
        bytes_moved=BYTES_PER_VALUE * (read + written),
    )


def _merged(earlier: Layer, later: Layer) -> Layer:
    return replace(
        earlier,
        parameters=earlier.parameters + later.parameters,
        macs=earlier.macs + later.macs,
        bytes_moved=earlier.bytes_moved + later.bytes_moved,
        calls=earlier.calls + later.calls,
    )


def _level(shape: tuple[int, ...], height: int) -> str:
    """Return the pyramid level of an (N, C, H, W) map; "" for finer maps and for vectors."""
    for number, stride in enumerate(STRIDES, start=3):
        if len(shape) == 4 and shape[2] == -(-height // stride):
            return f"P{number}"
    return ""


def _signature(layer: Layer | None) -> tuple[object, ...] | None:
    return None if layer is None else (layer.kind, layer.output_shape, layer.parameters, layer.macs)
