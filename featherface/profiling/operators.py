"""Four counters of multiply-accumulates (MACs) side by side, and what each of them leaves out.

Conventions as in `layers`; the study calls thop's MACs "FLOPs". The counters' packages are imported when one
counts: neither thop nor torch's counter is needed to serve the dashboard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import prod
from types import MappingProxyType, ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from featherface.errors import FeatherFaceError, install_hint
from featherface.models import MODELS
from featherface.models.deformable import ModulatedDeformableConv2d
from featherface.profiling.layers import (
    BATCH_NORM_MACS,
    FLOPS_PER_MAC,
    MAC_RULES,
    check_size,
    layer_table,
)
from featherface.profiling.parameters import network_on_meta

__all__ = [
    "OPERATORS",
    "Count",
    "CounterName",
    "MissingCounterError",
    "Operator",
    "Uncounted",
    "count_all",
    "study_macs",
]


class MissingCounterError(FeatherFaceError):
    """A counter's package is not installed; the message says how to install it."""


class CounterName(StrEnum):
    """The counters."""

    LAYERS = "layer table"
    THOP_AS_IN_STUDY = "thop as in the study"
    THOP_WITH_RULE = "thop with a rule for the deformable convolution"
    FLOP_COUNTER = "torch FlopCounterMode"


@dataclass(frozen=True)
class Uncounted:
    """Operations that a counter leaves out; `operations` by the rule in `text`, 0 for copies."""

    operator: str  # PyTorch's name for it
    what: str
    text: str
    calls: int
    operations: int


@dataclass(frozen=True)
class Count:
    """The result of one counter for one model at one input size."""

    counter: CounterName
    macs: int
    parameters: int | None  # as this counter reports them; None where it does not
    uncounted: tuple[Uncounted, ...]


_Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Operator:
    """How many operations one call of an operator costs, the rule in words, and which counters include it."""

    what: str
    text: str
    operations: Callable[[_Arguments, object], int]  # of the operator's arguments and what it returned
    counted_by: frozenset[CounterName] = frozenset()


def _values(tensors: object) -> int:
    """Return the number of values in a tensor, or in the first of several."""
    if isinstance(tensors, Tensor):
        return tensors.numel()
    if isinstance(tensors, (tuple, list)) and tensors:
        return _values(tensors[0])
    return 0


def _each_written(what: str, each: int, counted_by: frozenset[CounterName] = frozenset()) -> Operator:
    return Operator(
        what, f"{each} x values written", lambda _, returned: each * _values(returned), counted_by
    )


def _each_read(what: str) -> Operator:
    return Operator(what, "1 x values read", lambda arguments, _: _values(arguments))


def _copy(what: str) -> Operator:
    return Operator(what, "copies, computes nothing", lambda *_: 0)


def _product(what: str, counted_by: frozenset[CounterName]) -> Operator:
    return Operator(
        what,
        "2 x values written x inner dimension",
        lambda arguments, returned: FLOPS_PER_MAC * _values(returned) * arguments[-1].shape[-2],
        counted_by,
    )


def _convolution(arguments: _Arguments, returned: object) -> int:
    return int(FLOPS_PER_MAC * _values(returned) * prod(arguments[1].shape[1:]))


_ALL = frozenset(CounterName)
_ALL_BUT_TORCH = _ALL - {CounterName.FLOP_COUNTER}
_ALL_BUT_STUDY = _ALL - {CounterName.THOP_AS_IN_STUDY}

# From operator to rule. Transcendental functions count as one operation, which underestimates their cost.
# Operators that are not listed, views aside, are reported with the rule "unknown".
OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "convolution": Operator(
            "convolutions", "2 x values written x weights per output channel", _convolution, _ALL
        ),
        "addmm": _product("linear layers", _ALL),
        "mm": _product("linear layers without bias", _ALL),
        "bmm": _product("deformable convolutions, before sampling", _ALL_BUT_STUDY),
        "native_batch_norm": _each_written(
            "batch norm, not folded", FLOPS_PER_MAC * BATCH_NORM_MACS, _ALL_BUT_TORCH
        ),
        "grid_sampler_2d": _each_written("bilinear sampling of deformable convolutions", 8),
        "max_pool2d_with_indices": _each_written("max pooling 3 x 3", 8),
        "amax": _each_read("global and channel maxima"),
        "mean": _each_read("global and channel means"),
        "sum": _each_read("sums of fusion weights and of deformable taps"),
        "_softmax": _each_written("softmax of two classes", 3),
        "sigmoid": _each_written("sigmoid", 1),
        "silu": _each_written("swish", 2),
        "relu": _each_written("ReLU", 1),
        "relu_": _each_written("ReLU in place", 1),
        "leaky_relu_": _each_written("LeakyReLU in place", 1),
        "add": _each_written("additions of tensors", 1),
        "sub": _each_written("subtractions of tensors", 1),
        "mul": _each_written("products of tensors: gates, fusion, masks", 1),
        "div": _each_written("divisions of tensors", 1),
        "upsample_nearest2d": _copy("nearest-neighbour upsampling"),
        "cat": _copy("concatenation"),
        "stack": _copy("stacking"),
        "clone": _copy("copies to contiguous memory"),
        "repeat": _copy("repetition"),
        "constant_pad_nd": _copy("zero padding"),
        "arange": _copy("coordinates of deformable convolutions"),
        "empty": _copy("empty buffers"),
    }
)


@lru_cache(maxsize=64)
def count_all(key: str, height: int, width: int) -> tuple[Count, ...]:
    """Count one forward pass of one image with every counter, in the order of `CounterName`.

    Raises InputSizeError, and MissingCounterError where thop is not installed.
    """
    check_size(height, width)
    tally, torch_macs = _tally(key, height, width)
    counted = {
        CounterName.LAYERS: _by_layers(key, height, width),
        CounterName.THOP_AS_IN_STUDY: _by_thop_as_in_study(key, height, width),
        CounterName.THOP_WITH_RULE: _by_thop_with_rule(key, height, width),
        CounterName.FLOP_COUNTER: (torch_macs, None),
    }
    return tuple(
        Count(counter, macs, parameters, _uncounted(tally, counter))
        for counter, (macs, parameters) in counted.items()
    )


def study_macs(key: str, height: int, width: int) -> int:
    """Return the MACs of `CounterName.THOP_AS_IN_STUDY`. Raises InputSizeError and MissingCounterError."""
    check_size(height, width)
    return _by_thop_as_in_study(key, height, width)[0]


def _by_layers(key: str, height: int, width: int) -> tuple[int, int]:
    table = layer_table(key, height, width)
    return sum(layer.macs for layer in table), sum(layer.parameters for layer in table)


@lru_cache(maxsize=64)
def _by_thop_as_in_study(key: str, height: int, width: int) -> tuple[int, int]:
    """Count as thop 0.1.1, the study's version, does; later ones also see matrix products outside modules.

    `profile_origin` keeps the old way of counting. The old parameter count is that of the modules that thop
    has a rule for and that run; a weight that a function uses and a parameter beside modules escape it.
    """
    network = network_on_meta(MODELS[key])
    macs, _ = _thop().profile_origin(network, inputs=(_pixels(height, width),), verbose=False)
    lost = sum(
        layer.parameters
        for layer in layer_table(key, height, width)
        if layer.kind in ("Parameter", ModulatedDeformableConv2d.__name__)
    )
    return int(macs), sum(parameter.numel() for parameter in network.parameters()) - lost


def _by_thop_with_rule(key: str, height: int, width: int) -> tuple[int, int]:
    def count_deformable(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        module.total_ops += MAC_RULES[ModulatedDeformableConv2d].count(module, output)

    macs, parameters = _thop().profile(
        network_on_meta(MODELS[key]),
        inputs=(_pixels(height, width),),
        custom_ops={ModulatedDeformableConv2d: count_deformable},
        verbose=False,
    )
    return int(macs), int(parameters)


def _thop() -> ModuleType:
    try:
        import thop
    except ImportError as error:
        raise MissingCounterError(f"The counter thop is not installed; {install_hint('study')}.") from error
    module: ModuleType = thop
    return module


def _pixels(height: int, width: int) -> Tensor:
    return torch.zeros(1, 3, height, width, device="meta")


class _OperatorTally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tallies every operator that PyTorch runs, except views."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        returned = operator(*args, **(kwargs or {}))
        name = operator.overloadpacket.__name__
        if operator.is_view or name == "_unsafe_view":
            return returned
        self.calls[name] += 1
        if name in OPERATORS:
            self.operations[name] += OPERATORS[name].operations(args, returned)
        return returned


def _tally(key: str, height: int, width: int) -> tuple[_OperatorTally, int]:
    """Return every operator of one forward pass, and the MACs that torch's own counter finds in it."""
    from torch.utils.flop_counter import FlopCounterMode

    network = network_on_meta(MODELS[key])
    pixels = _pixels(height, width)
    tally = _OperatorTally()
    with torch.no_grad(), FlopCounterMode(display=False) as counter, tally:
        network(pixels)
    return tally, counter.get_total_flops() // FLOPS_PER_MAC


def _uncounted(tally: _OperatorTally, counter: CounterName) -> tuple[Uncounted, ...]:
    """Return what ran and was not counted, the most operations first."""
    rows = []
    for name, calls in tally.calls.items():
        rule = OPERATORS.get(name)
        if rule is None:
            rows.append(Uncounted(name, name, "unknown", calls, 0))
        elif counter not in rule.counted_by:
            rows.append(Uncounted(name, rule.what, rule.text, calls, tally.operations[name]))
    return tuple(sorted(rows, key=lambda row: -row.operations))
