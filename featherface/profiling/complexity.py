"""The cost of one forward pass of a model at any input size, by group and in total.

The costs at the sizes of the sweep, the study's among them, and at VGA size are stored, as counting takes
seconds in a fresh process; see `stored_counts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from featherface.config import DEFAULT_INPUT_SIZE
from featherface.profiling.activation_memory import PeakMemory, peak_memory
from featherface.profiling.layers import FLOPS_PER_MAC, Layer, layer_table
from featherface.profiling.operators import Count, CounterName, count_all, study_macs
from featherface.profiling.stored_counts import stored_counts

__all__ = [
    "SWEEP_INPUT_SIZES",
    "VGA",
    "Cost",
    "GroupCost",
    "SizeCost",
    "cost",
    "count_cost",
    "flops_report",
    "group_costs",
    "sweep",
]

SWEEP_INPUT_SIZES = (160, 320, 480, 640, 800, 1024, 1280)  # pixels, from thumbnails to large photos
VGA = (480, 640)  # height and width for which operations are usually published


@dataclass(frozen=True)
class GroupCost:
    """Cost of one group of layers; the groups' costs add up to the network's.

    The `folded_` values are those of the network as it runs, with batch norm folded into the convolutions.
    """

    group: str
    parameters: int
    macs: int
    folded_macs: int
    bytes_moved: int
    folded_bytes_moved: int

    @property
    def flops(self) -> int:
        """Return the floating-point operations, batch norm included."""
        return FLOPS_PER_MAC * self.macs

    @property
    def folded_flops(self) -> int:
        """Return the floating-point operations of the network as it runs."""
        return FLOPS_PER_MAC * self.folded_macs

    @property
    def intensity(self) -> float:
        """Return the arithmetic intensity, batch norm included: FLOPs per byte, nothing kept in cache."""
        return self.flops / self.bytes_moved if self.bytes_moved else 0.0

    @property
    def folded_intensity(self) -> float:
        """Return the arithmetic intensity of the network as it runs."""
        return self.folded_flops / self.folded_bytes_moved if self.folded_bytes_moved else 0.0


@dataclass(frozen=True)
class Cost:
    """Cost of one model for one image of `height` x `width` pixels.

    `macs` includes batch norm, so that it compares with the study and with published figures; `folded_macs`
    is the network as it runs on a machine, batch norm folded into the convolutions.
    """

    key: str
    height: int
    width: int
    macs: int
    folded_macs: int
    parameters: int
    groups: tuple[GroupCost, ...]
    memory: PeakMemory

    @property
    def flops(self) -> int:
        """Return the floating-point operations, batch norm included."""
        return FLOPS_PER_MAC * self.macs

    @property
    def folded_flops(self) -> int:
        """Return the floating-point operations of the network as it runs: those that a timing measures."""
        return FLOPS_PER_MAC * self.folded_macs

    @property
    def folded_intensity(self) -> float:
        """Return the arithmetic intensity of the network as it runs: FLOPs per byte moved."""
        return self.folded_flops / sum(group.folded_bytes_moved for group in self.groups)

    @property
    def counts(self) -> tuple[Count, ...]:
        """Return the result of each counter, in the order of `CounterName`. Raises MissingCounterError."""
        return count_all(self.key, self.height, self.width)

    @property
    def study_macs(self) -> int:
        """Return the result of the study's own counter. Raises MissingCounterError."""
        stored = _stored(self.key)
        if stored and self.height == self.width == DEFAULT_INPUT_SIZE:
            return stored.study_macs
        return study_macs(self.key, self.height, self.width)

    def count(self, counter: CounterName) -> Count:
        """Return the result of one of the counters. Raises MissingCounterError."""
        return next(count for count in self.counts if count.counter is counter)


@dataclass(frozen=True)
class SizeCost:
    """Cost of one model for a square image."""

    input_size: int  # pixels
    macs: int
    peak_bytes: int  # of activations

    @property
    def flops(self) -> int:
        """Return the floating-point operations, batch norm included."""
        return FLOPS_PER_MAC * self.macs


@dataclass(frozen=True)
class _Stored:
    costs: Mapping[tuple[int, int], Cost]  # by height and width
    study_macs: int  # at the study's size


def cost(key: str, height: int, width: int | None = None) -> Cost:
    """Return the cost of model `key` at `height` x `width` pixels, a square where no width is given.

    Raises InputSizeError.
    """
    width = height if width is None else width
    stored = _stored(key)
    known = stored.costs.get((height, width)) if stored else None
    return known or count_cost(key, height, width)


def count_cost(key: str, height: int, width: int) -> Cost:
    """Count, without a look at the stored costs. Raises InputSizeError."""
    table = layer_table(key, height, width)
    groups = group_costs(table)
    return Cost(
        key=key,
        height=height,
        width=width,
        macs=sum(group.macs for group in groups),
        folded_macs=sum(group.folded_macs for group in groups),
        parameters=sum(group.parameters for group in groups),
        groups=groups,
        memory=peak_memory(key, height, width),
    )


def group_costs(table: Iterable[Layer]) -> tuple[GroupCost, ...]:
    """Add up the layers by group, in the order of the data flow."""
    layers = list(table)
    groups = dict.fromkeys(layer.group for layer in layers)
    return tuple(_group_cost(group, [layer for layer in layers if layer.group == group]) for group in groups)


def sweep(key: str, input_sizes: Iterable[int] = SWEEP_INPUT_SIZES) -> tuple[SizeCost, ...]:
    """Return the cost at each square input size. Raises InputSizeError."""
    costs = [cost(key, input_size) for input_size in input_sizes]
    return tuple(SizeCost(found.height, found.macs, found.memory.peak_bytes) for found in costs)


def flops_report(keys: Iterable[str], height: int, width: int | None = None) -> Mapping[str, object]:
    """Return what `featherface flops --json` prints: MACs, except where a name says otherwise.

    Raises InputSizeError and MissingCounterError.
    """
    return {key: _report(cost(key, height, width)) for key in keys}


@lru_cache(maxsize=16)
def _stored(key: str) -> _Stored | None:
    """Return the stored costs; None where this architecture was not counted."""
    document = stored_counts(key)
    if document is None:
        return None
    costs = [_cost(fields | {"key": key}) for fields in document["costs"]]
    return _Stored({(one.height, one.width): one for one in costs}, document["study_macs"])


def _cost(fields: Mapping[str, Any]) -> Cost:
    parts = {
        "groups": tuple(GroupCost(**group) for group in fields["groups"]),
        "memory": PeakMemory(**fields["memory"]),
    }
    return Cost(**{**fields, **parts})


def _group_cost(group: str, layers: list[Layer]) -> GroupCost:
    folded = [layer for layer in layers if not layer.folds_away]
    return GroupCost(
        group=group,
        parameters=sum(layer.parameters for layer in layers),
        macs=sum(layer.macs for layer in layers),
        folded_macs=sum(layer.macs for layer in folded),
        bytes_moved=sum(layer.bytes_moved for layer in layers),
        folded_bytes_moved=sum(layer.bytes_moved for layer in folded),
    )


def _report(counted: Cost) -> Mapping[str, object]:
    return {
        "height": counted.height,
        "width": counted.width,
        "parameters": counted.parameters,
        "macs": counted.macs,
        "flops": counted.flops,
        "folded_macs": counted.folded_macs,
        "thop_macs": counted.count(CounterName.THOP_AS_IN_STUDY).macs,
        "thop_parameters": counted.count(CounterName.THOP_AS_IN_STUDY).parameters,
        "thop_with_rule_macs": counted.count(CounterName.THOP_WITH_RULE).macs,
        "counter_macs": counted.count(CounterName.FLOP_COUNTER).macs,
        "peak_activation_bytes": counted.memory.peak_bytes,
        "groups": {group.group: group.macs for group in counted.groups},
        "uncounted": _uncounted(counted.count(CounterName.LAYERS)),
        "uncounted_by_counter": {count.counter.value: _uncounted(count) for count in counted.counts},
    }


def _uncounted(count: Count) -> list[Mapping[str, object]]:
    return [asdict(row) for row in count.uncounted]
