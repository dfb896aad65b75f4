"""What one forward pass of a model costs at any input size, by group and in total."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from featherface.profiling.activation_memory import PeakMemory, peak_memory
from featherface.profiling.layers import FLOPS_PER_MAC, Layer, layer_table
from featherface.profiling.operators import Count, CounterName, count_all, study_macs

__all__ = [
    "SWEEP_SIDES",
    "Cost",
    "GroupCost",
    "SizeCost",
    "cost",
    "flops_report",
    "group_costs",
    "sweep",
]

SWEEP_SIDES = (160, 320, 480, 640, 800, 1024, 1280)  # pixels, from thumbnails to large photos


@dataclass(frozen=True)
class GroupCost:
    """Cost of one of the study's groups; the groups' costs add up to the network's."""

    group: str
    parameters: int
    macs: int
    bytes_moved: int

    @property
    def flops(self) -> int:
        """Floating-point operations."""
        return FLOPS_PER_MAC * self.macs

    @property
    def intensity(self) -> float:
        """Arithmetic intensity, FLOPs a byte moved, as if layers kept nothing in cache between them."""
        return self.flops / self.bytes_moved if self.bytes_moved else 0.0


@dataclass(frozen=True)
class Cost:
    """Cost of one model for one picture of `height` x `width`.

    `macs` follows thop's convention (batch norm costs 4 a value), so that it compares with the study and with
    published figures; `folded_macs` is without batch norm, which vanishes when a network is deployed.
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
        """Floating-point operations: two a MAC."""
        return FLOPS_PER_MAC * self.macs

    @property
    def counts(self) -> tuple[Count, ...]:
        """What each counter says, in the order of `CounterName`; counted when first asked for."""
        return count_all(self.key, self.height, self.width)

    @property
    def study_macs(self) -> int:
        """What the study's own counter says, sooner than `counts` does."""
        return study_macs(self.key, self.height, self.width)

    @property
    def intensity(self) -> float:
        """FLOPs for each byte that the layers move."""
        return self.flops / sum(group.bytes_moved for group in self.groups)

    def count(self, counter: CounterName) -> Count:
        """What one of the counters says."""
        return next(count for count in self.counts if count.counter is counter)


@dataclass(frozen=True)
class SizeCost:
    """What one model costs for a square picture."""

    side: int  # pixels
    macs: int
    peak_bytes: int  # of activations

    @property
    def flops(self) -> int:
        """Floating-point operations."""
        return FLOPS_PER_MAC * self.macs


def cost(key: str, height: int, width: int | None = None) -> Cost:
    """Count model `key` at `height` x `width` pixels, a square where no width is given.

    Raises InputSizeError.
    """
    width = height if width is None else width
    table = layer_table(key, height, width)
    return Cost(
        key=key,
        height=height,
        width=width,
        macs=sum(layer.macs for layer in table),
        folded_macs=sum(layer.macs for layer in table if not layer.folds_away),
        parameters=sum(layer.parameters for layer in table),
        groups=group_costs(table),
        memory=peak_memory(key, height, width),
    )


def group_costs(table: Iterable[Layer]) -> tuple[GroupCost, ...]:
    """Add the layers up by group, in the order of the data flow."""
    layers = list(table)
    groups = dict.fromkeys(layer.group for layer in layers)
    return tuple(_group_cost(group, [layer for layer in layers if layer.group == group]) for group in groups)


def sweep(key: str, sides: Iterable[int] = SWEEP_SIDES) -> tuple[SizeCost, ...]:
    """The cost at each square input size. Raises InputSizeError."""
    return tuple(
        SizeCost(
            side,
            macs=sum(layer.macs for layer in layer_table(key, side, side)),
            peak_bytes=peak_memory(key, side, side).peak_bytes,
        )
        for side in sides
    )


def flops_report(keys: Iterable[str], height: int, width: int | None = None) -> Mapping[str, object]:
    """What `python -m featherface flops --json` prints; all numbers are MACs. Raises InputSizeError."""
    return {key: _report(cost(key, height, width)) for key in keys}


def _group_cost(group: str, layers: list[Layer]) -> GroupCost:
    return GroupCost(
        group=group,
        parameters=sum(layer.parameters for layer in layers),
        macs=sum(layer.macs for layer in layers),
        bytes_moved=sum(layer.bytes_moved for layer in layers),
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
