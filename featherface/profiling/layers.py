"""The layer-by-layer table of a network: what each layer does, holds and costs at one input size.

Counted on the meta device: shapes flow through the real forward pass, values do not, so that any size is
instant. A multiply-accumulate (MAC) is two floating-point operations (FLOPs).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from types import MappingProxyType

import torch
from torch import Tensor, nn

from featherface.config import MIN_SIDE, STRIDES
from featherface.errors import FeatherFaceError
from featherface.models import MODELS, ModelEntry
from featherface.models.deformable import ModulatedDeformableConv2d
from featherface.profiling.parameters import network_on_meta

__all__ = [
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
BYTES_PER_VALUE = 4  # float32


class InputSizeError(FeatherFaceError):
    """An input too small for the networks' coarsest level."""


@dataclass(frozen=True)
class MacRule:
    """How many MACs one module costs: `count(module, output)`, said in words by `text`."""

    text: str
    count: Callable[[nn.Module, Tensor], int]
    folds_away: bool = (
        False  # batch norm becomes part of the convolution before it when a network is deployed
    )


def _convolution(module: nn.Module, output: Tensor) -> int:
    return output.numel() * (module.in_channels // module.groups) * prod(module.kernel_size)


def _deformable(module: nn.Module, output: Tensor) -> int:
    return output.numel() * prod(module.regular_conv.weight.shape[1:])


MAC_RULES: Mapping[type[nn.Module], MacRule] = MappingProxyType(
    {
        nn.Conv2d: MacRule(
            "output values x input channels per group x kernel area; biases free", _convolution
        ),
        nn.Linear: MacRule(
            "output values x input features; biases free",
            lambda module, output: output.numel() * module.in_features,
        ),
        ModulatedDeformableConv2d: MacRule(
            "output values x input channels x 9; sampling and modulation free, "
            "its offset and mask convolutions are layers of their own",
            _deformable,
        ),
        # thop's convention, kept so that the totals compare with the study and with published figures
        nn.BatchNorm2d: MacRule("4 x values", lambda _, output: 4 * output.numel(), folds_away=True),
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
    output_shape: tuple[
        int, ...
    ]  # (N, C, H, W) or (N, C); () for fusion weights, which have none of their own
    parameters: int
    macs: int
    folds_away: bool
    activation_bytes: int  # of the output, float32
    bytes_moved: int  # inputs read, outputs written, parameters read, each once
    calls: int = 1

    @property
    def flops(self) -> int:
        """Floating-point operations."""
        return FLOPS_PER_MAC * self.macs

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: FLOPs for each byte moved, were every tensor read and written once."""
        return self.flops / self.bytes_moved if self.bytes_moved else 0.0


@dataclass(frozen=True)
class AlignedLayer:
    """The layers of two models that play one role; one side is None where the other model alone has it."""

    role: str
    level: str
    group: str
    first: Layer | None
    second: Layer | None

    @property
    def differs(self) -> bool:
        """Whether kind, shape, parameters or MACs differ, or one side is missing."""
        return _signature(self.first) != _signature(self.second)


def check_size(height: int, width: int) -> None:
    """Refuse sizes that the networks cannot take.

    Raises InputSizeError.
    """
    if min(height, width) < MIN_SIDE:
        raise InputSizeError(
            f"The input is {width} x {height} pixels, but both sides must be at least {MIN_SIDE}."
        )


@lru_cache(maxsize=64)
def layer_table(key: str, height: int, width: int) -> tuple[Layer, ...]:
    """Run one picture of `height` x `width` through the model's layers and list them.

    The parameters of the rows add up to the network's. Raises InputSizeError.
    """
    check_size(height, width)
    rows: dict[tuple[str, tuple[int, ...]], Layer] = {}
    for layer in _layers(MODELS[key], height, width):
        place = layer.name, layer.output_shape
        rows[place] = _merged(rows[place], layer) if place in rows else layer
    return tuple(rows.values())


def align(first: Sequence[Layer], second: Sequence[Layer]) -> tuple[AlignedLayer, ...]:
    """Pair the layers of two models that play one role on one level, in the order of the forward pass."""
    ours = {(layer.role, layer.level): layer for layer in first}
    theirs = {(layer.role, layer.level): layer for layer in second}
    places = list(ours)
    before = len(places)
    for place in reversed(theirs):  # what the second model alone has stands before what follows it there
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
    """One layer for each call of a module, its parameters with the first call."""
    network = network_on_meta(entry)
    calls = _calls(network, height, width)
    unclaimed = _parameters_by_call(network, {call.name for call in calls})
    for call in calls:
        yield _layer(call, unclaimed.pop(call.name, 0), entry, height)


def _calls(network: nn.Module, height: int, width: int) -> list[_Call]:
    """Every run of a module that has a rule, holds parameters itself or has no children, in order."""
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
    """Parameters of each called module; one that never runs itself lends its own to the module around it."""
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
        macs=rule.count(call.module, call.output) if rule else 0,
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
    """The pyramid level of an (N, C, H, W) map; "" for finer maps and for vectors."""
    for number, stride in enumerate(STRIDES, start=3):
        if len(shape) == 4 and shape[2] == -(-height // stride):
            return f"P{number}"
    return ""


def _signature(layer: Layer | None) -> tuple[object, ...] | None:
    return layer and (layer.kind, layer.output_shape, layer.parameters, layer.macs)
