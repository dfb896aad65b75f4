"""Counted numbers as tables: what the pages show, and what their CSV files hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import nan

import pandas as pd

from featherface.detection.anchors import anchors
from featherface.models import MODELS
from featherface.profiling.complexity import Cost, GroupCost, SizeCost
from featherface.profiling.graph import OUTPUT, FeatureMap, NetworkGraph
from featherface.profiling.latency import LatencyResult, summary
from featherface.profiling.layers import AlignedLayer, Layer
from featherface.profiling.operators import Count
from featherface.profiling.parameters import GroupReduction, ParameterNode
from featherface.profiling.receptive_field import ReceptiveField
from featherface.profiling.roofline import MachinePeak

__all__ = [
    "costliest",
    "counter_table",
    "field_table",
    "group_cost_table",
    "layer_costs",
    "level_table",
    "parameter_group_table",
    "parameter_table",
    "roofline_table",
    "side_by_side",
    "station_table",
    "sweep_table",
    "uncounted_table",
]


def parameter_group_table(rows: Sequence[GroupReduction], first: str, second: str) -> pd.DataFrame:
    """Return one line a group of the study: parameters of V1 and V2, and what V2 saves in per cent."""
    return pd.DataFrame(
        {
            "Group": [row.group for row in rows],
            f"{MODELS[first].short_name} parameters": [row.first for row in rows],
            f"{MODELS[second].short_name} parameters": [row.second for row in rows],
            "Reduction, %": [None if row.reduction is None else 100 * row.reduction for row in rows],
        }
    )


def parameter_table(nodes: Sequence[ParameterNode]) -> pd.DataFrame:
    """Return one line a module or tensor."""
    return pd.DataFrame(
        {
            "path": [node.path for node in nodes],
            "group": [node.group for node in nodes],
            "kind": [node.kind for node in nodes],
            "shape": [_times(node.shape) for node in nodes],
            "parameters": [node.parameters for node in nodes],
        }
    )


def side_by_side(rows: Sequence[AlignedLayer], first: str, second: str) -> pd.DataFrame:
    """Return one line a part, with what V1 and V2 have there; a model without it has empty cells."""
    table = {
        "Part": [row.role for row in rows],
        "Level": [row.level for row in rows],
        "Group": [row.group for row in rows],
        "Differs": [row.differs for row in rows],
    }
    for key, layers in ((first, [row.first for row in rows]), (second, [row.second for row in rows])):
        name = MODELS[key].short_name
        total = sum(layer.macs for layer in layers if layer)
        table |= {
            f"{name} name": _of(layers, lambda layer: layer.name),
            f"{name} kind": _of(layers, lambda layer: layer.kind),
            f"{name} output": _of(layers, lambda layer: _times(layer.output_shape)),
            f"{name} parameters": pd.array(_of(layers, lambda layer: layer.parameters), dtype="Int64"),
            f"{name} MACs": pd.array(_of(layers, lambda layer: layer.macs), dtype="Int64"),
            f"{name} share of MACs, %": _of(layers, lambda layer, total=total: 100 * layer.macs / total),
        }
    return pd.DataFrame(table)


def level_table(graphs: Mapping[str, NetworkGraph], height: int, width: int) -> pd.DataFrame:
    """Return one line a pyramid level: cells, anchors, and the channels that each model has there."""
    heads = {key: _head_inputs(graph) for key, graph in graphs.items()}
    levels = next(iter(heads.values()))
    cells = [found.height * found.width for found in levels]
    per_cell = len(anchors(height, width)) // sum(cells)
    return pd.DataFrame(
        {
            "Level": [f"P{number}" for number in range(3, 3 + len(levels))],
            "Stride, pixels": [found.stride for found in levels],
            "Cells": [f"{found.width} × {found.height}" for found in levels],
            "Anchors": [per_cell * count for count in cells],
            **{f"{key.upper()} channels": [found.channels for found in maps] for key, maps in heads.items()},
        }
    )


def field_table(fields: Mapping[str, Sequence[ReceptiveField]]) -> pd.DataFrame:
    """Return one line a model and level: what a cell looks for and how far it sees."""
    return pd.DataFrame(
        [
            {
                "Model": MODELS[key].name,
                "Level": found.level,
                "Stride, pixels": found.stride,
                "Anchors, pixels": " and ".join(map(str, found.anchors)),
                "Backbone sees, pixels": found.backbone,
                "Heads see, pixels": f"{'at least ' if found.at_least else ''}{found.pixels:,}",
            }
            for key, levels in fields.items()
            for found in levels
        ]
    )


def station_table(graph: NetworkGraph) -> pd.DataFrame:
    """Return one line a box of the diagram."""
    stations = [station for station in graph.stations if station.maps]
    return pd.DataFrame(
        {
            "Part": [station.path for station in stations],
            "Group": [station.group for station in stations],
            "Output": ["; ".join(_map_words(found) for found in station.maps) for station in stations],
            "Parameters": [station.parameters for station in stations],
            "MACs": [station.macs for station in stations],
        }
    )


def group_cost_table(costs: Mapping[str, Cost], unit: str) -> pd.DataFrame:
    """Return one line a group and model, in `unit` "MACs" or "FLOPs"."""
    return pd.DataFrame(
        [
            {
                "Model": MODELS[key].name,
                "Group": group.group,
                unit: group.flops if unit == "FLOPs" else group.macs,
                "Share, %": 100 * group.macs / cost.macs,
                "Bytes moved": group.bytes_moved,
                "FLOPs per byte": group.intensity,
            }
            for key, cost in costs.items()
            for group in cost.groups
        ]
    )


def layer_costs(tables: Mapping[str, Sequence[Layer]], unit: str) -> pd.DataFrame:
    """Return one line a layer that computes, the costliest first, in `unit` "MACs" or "FLOPs"."""
    rows = [
        {
            "Model": MODELS[key].name,
            "Layer": layer.name,
            "Part": layer.role,
            "Level": layer.level,
            "Kind": layer.kind,
            "Output": _times(layer.output_shape),
            unit: layer.flops if unit == "FLOPs" else layer.macs,
            "Share, %": 100 * layer.macs / sum(other.macs for other in layers),
            "Bytes moved": layer.bytes_moved,
            "FLOPs per byte": layer.intensity,
        }
        for key, layers in tables.items()
        for layer in layers
        if layer.macs
    ]
    return pd.DataFrame(rows).sort_values(unit, ascending=False, kind="stable", ignore_index=True)


def costliest(table: pd.DataFrame, unit: str, count: int) -> pd.DataFrame:
    """Return the `count` costliest parts of `layer_costs`, a column a model, NaN where it lacks the part."""
    parts = table.assign(Place=table["Part"] + " " + table["Level"])
    wide = parts.pivot_table(index="Place", columns="Model", values=unit, aggfunc="sum")
    return wide.loc[wide.max(axis=1).nlargest(count).index]


def sweep_table(sweeps: Mapping[str, Sequence[SizeCost]], unit: str) -> pd.DataFrame:
    """Return one line an input size and model, in `unit` "MACs" or "FLOPs"."""
    return pd.DataFrame(
        [
            {
                "Model": MODELS[key].name,
                "Side, pixels": point.side,
                unit: point.flops if unit == "FLOPs" else point.macs,
                "Peak activation memory, bytes": point.peak_bytes,
            }
            for key, points in sweeps.items()
            for point in points
        ]
    )


def roofline_table(costs: Mapping[str, Cost], peak: MachinePeak, timed: LatencyResult | None) -> pd.DataFrame:
    """Return one line a model and group: intensity, roof, and what whole models reached if timed."""
    rows: list[dict[str, object]] = []
    for key, cost in costs.items():
        whole = _roofline_row(f"{MODELS[key].name}, whole network", cost, peak)
        if timed is not None:
            spent = summary(timed, key).median
            reached = cost.flops / spent / 1e6
            whole |= {
                "Measured, ms": spent,
                "Reached, GFLOPS": reached,
                "Of the roof, %": 100 * reached / whole["Roof, GFLOPS"],
            }
        rows.append(whole)
        rows += [_roofline_row(f"{MODELS[key].name}, {group.group}", group, peak) for group in cost.groups]
    return pd.DataFrame(rows)


def counter_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    """Return one line a counter: MACs and parameters that it reports of each model."""
    columns: dict[str, list[object]] = {
        "Counter": [count.counter.value for count in next(iter(costs.values())).counts]
    }
    for key, cost in costs.items():
        columns[f"{key.upper()} MACs"] = [count.macs for count in cost.counts]
        columns[f"{key.upper()} parameters"] = pd.array(
            [count.parameters for count in cost.counts], dtype="Int64"
        )
    return pd.DataFrame(columns)


def uncounted_table(count: Count) -> pd.DataFrame:
    """Return one line an operator that a counter leaves out, the largest first; copies cost nothing."""
    rows = [row for row in count.uncounted if row.operations]
    return pd.DataFrame(
        {
            "What": [row.what for row in rows],
            "Operator": [row.operator for row in rows],
            "Calls": [row.calls for row in rows],
            "FLOPs": [row.operations for row in rows],
            "Rule": [row.text for row in rows],
        }
    )


def _roofline_row(name: str, cost: Cost | GroupCost, peak: MachinePeak) -> dict[str, object]:
    roof = peak.attainable_gflops(cost.intensity)
    return {
        "Part": name,
        "FLOPs per byte": cost.intensity,
        "Roof, GFLOPS": roof,
        "At the roof, ms": cost.flops / roof / 1e6 if roof else nan,
    }


def _of(layers: Sequence[Layer | None], value: Callable[[Layer], object]) -> list[object]:
    return [None if layer is None else value(layer) for layer in layers]


def _head_inputs(graph: NetworkGraph) -> list[FeatureMap]:
    """Return the maps that the heads read, fine to coarse."""
    heads = {edge.source for edge in graph.edges if edge.target == OUTPUT}
    maps = {edge.map for edge in graph.edges if edge.target in heads}
    return sorted(maps, key=lambda found: found.stride)


def _map_words(found: FeatureMap) -> str:
    return f"{found.channels} channels, {found.width} × {found.height}"


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
