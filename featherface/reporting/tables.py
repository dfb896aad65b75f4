"""Tables of counted numbers: what the pages show and what their CSV files contain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan

import pandas as pd
from pandas.arrays import IntegerArray

from featherface.detection.anchors import anchors
from featherface.models import MODELS
from featherface.profiling.complexity import Cost, GroupCost, SizeCost
from featherface.profiling.graph import OUTPUT, FeatureMap, NetworkGraph
from featherface.profiling.latency import LatencyResult, summary
from featherface.profiling.layers import AlignedLayer, Layer
from featherface.profiling.operators import Count
from featherface.profiling.parameters import GroupReduction, ParameterNode
from featherface.profiling.receptive_field import ReceptiveField
from featherface.profiling.roofline import MachinePeak, reached_gflops

__all__ = [
    "aligned_layer_table",
    "costliest",
    "counter_table",
    "field_table",
    "group_cost_table",
    "layer_costs",
    "level_table",
    "parameter_group_table",
    "parameter_table",
    "roofline_table",
    "stage_table",
    "sweep_table",
    "uncounted_table",
]


def parameter_group_table(rows: Sequence[GroupReduction], first: str, second: str) -> pd.DataFrame:
    """Return one row per group of modules: the parameters of two models and the reduction.

    first, second: keys in MODELS.
    """
    return pd.DataFrame(
        {
            "Group": [row.group for row in rows],
            f"{MODELS[first].short_name} parameters": [row.first for row in rows],
            f"{MODELS[second].short_name} parameters": [row.second for row in rows],
            "Reduction (%)": [None if row.reduction is None else 100 * row.reduction for row in rows],
        }
    )


def parameter_table(nodes: Sequence[ParameterNode]) -> pd.DataFrame:
    """Return one row per module or tensor."""
    return pd.DataFrame(
        {
            "path": [node.path for node in nodes],
            "group": [node.group for node in nodes],
            "kind": [node.kind for node in nodes],
            "shape": [_times(node.shape) for node in nodes],
            "parameters": [node.parameters for node in nodes],
        }
    )


def aligned_layer_table(rows: Sequence[AlignedLayer], first: str, second: str) -> pd.DataFrame:
    """Return one row per role with the layers of two models; cells of a missing layer are empty.

    first, second: keys in MODELS.
    """
    table: dict[str, object] = {
        "Role": [row.role for row in rows],
        "Level": [row.level for row in rows],
        "Group": [row.group for row in rows],
        "Differs": [row.differs for row in rows],
    }
    table |= _layer_columns(MODELS[first].short_name, [row.first for row in rows])
    table |= _layer_columns(MODELS[second].short_name, [row.second for row in rows])
    return pd.DataFrame(table)


def _layer_columns(name: str, layers: Sequence[Layer | None]) -> dict[str, object]:
    total = sum(layer.macs for layer in layers if layer)
    return {
        f"{name} name": [layer and layer.name for layer in layers],
        f"{name} type": [layer and layer.kind for layer in layers],
        f"{name} output": [layer and _times(layer.output_shape) for layer in layers],
        f"{name} parameters": _whole_numbers(
            [None if layer is None else layer.parameters for layer in layers]
        ),
        f"{name} MACs": _whole_numbers([None if layer is None else layer.macs for layer in layers]),
        f"{name} share of MACs (%)": [layer and 100 * layer.macs / total for layer in layers],
    }


def level_table(graphs: Mapping[str, NetworkGraph], height: int, width: int) -> pd.DataFrame:
    """Return one row per pyramid level: stride, cells, anchors and the channels of each model."""
    heads = {key: _head_inputs(graph) for key, graph in graphs.items()}
    levels = next(iter(heads.values()))
    cells = [found.height * found.width for found in levels]
    per_cell = len(anchors(height, width)) // sum(cells)
    return pd.DataFrame(
        {
            "Level": [f"P{number}" for number in range(3, 3 + len(levels))],
            "Stride (px)": [found.stride for found in levels],
            "Cells": [f"{found.width} × {found.height}" for found in levels],
            "Anchors": [per_cell * count for count in cells],
            **{
                f"{MODELS[key].short_name} channels": [found.channels for found in maps]
                for key, maps in heads.items()
            },
        }
    )


def field_table(fields: Mapping[str, Sequence[ReceptiveField]]) -> pd.DataFrame:
    """Return one row per model and pyramid level: anchors and receptive fields, in pixels of the input."""
    return pd.DataFrame(
        [
            {
                "Model": MODELS[key].name,
                "Level": found.level,
                "Stride (px)": found.stride,
                "Anchors (px)": " and ".join(map(str, found.anchors)),
                "Backbone receptive field (px)": found.backbone,
                "Head receptive field (px)": f"{'at least ' if found.at_least else ''}{found.pixels:,}",
            }
            for key, levels in fields.items()
            for found in levels
        ]
    )


def stage_table(graph: NetworkGraph) -> pd.DataFrame:
    """Return one row per box of the diagram."""
    stages = [stage for stage in graph.stages if stage.maps]
    return pd.DataFrame(
        {
            "Module": [stage.path for stage in stages],
            "Group": [stage.group for stage in stages],
            "Output": ["; ".join(_map_text(found) for found in stage.maps) for stage in stages],
            "Parameters": [stage.parameters for stage in stages],
            "MACs": [stage.macs for stage in stages],
        }
    )


def group_cost_table(costs: Mapping[str, Cost], unit: str) -> pd.DataFrame:
    """Return one row per model and group of modules, in `unit` "MACs" or "FLOPs"."""
    return pd.DataFrame(
        [
            {
                "Model": MODELS[key].name,
                "Group": group.group,
                unit: group.flops if unit == "FLOPs" else group.macs,
                "Share (%)": 100 * group.macs / cost.macs,
                "Bytes moved": group.bytes_moved,
                "FLOPs per byte": group.intensity,
            }
            for key, cost in costs.items()
            for group in cost.groups
        ]
    )


def layer_costs(tables: Mapping[str, Sequence[Layer]], unit: str) -> pd.DataFrame:
    """Return one row per layer that has MACs, the costliest first, in `unit` "MACs" or "FLOPs"."""
    rows = [
        {
            "Model": MODELS[key].name,
            "Layer": layer.name,
            "Role": layer.role,
            "Level": layer.level,
            "Type": layer.kind,
            "Output": _times(layer.output_shape),
            unit: layer.flops if unit == "FLOPs" else layer.macs,
            "Share (%)": 100 * layer.macs / sum(other.macs for other in layers),
            "Bytes moved": layer.bytes_moved,
            "FLOPs per byte": layer.intensity,
        }
        for key, layers in tables.items()
        for layer in layers
        if layer.macs
    ]
    return pd.DataFrame(rows).sort_values(unit, ascending=False, kind="stable", ignore_index=True)


def costliest(table: pd.DataFrame, unit: str, count: int) -> pd.DataFrame:
    """Return the `count` costliest roles of `layer_costs`, one column per model; NaN for a missing layer."""
    roles = table.assign(Place=table["Role"] + " " + table["Level"])
    wide = roles.pivot_table(index="Place", columns="Model", values=unit, aggfunc="sum")
    return wide.loc[wide.max(axis=1).nlargest(count).index]


def sweep_table(sweeps: Mapping[str, Sequence[SizeCost]], unit: str) -> pd.DataFrame:
    """Return one row per model and input size, in `unit` "MACs" or "FLOPs"."""
    return pd.DataFrame(
        [
            {
                "Model": MODELS[key].name,
                "Input size (px)": point.input_size,
                unit: point.flops if unit == "FLOPs" else point.macs,
                "Peak activation memory (MB)": point.peak_bytes / 1e6,
            }
            for key, points in sweeps.items()
            for point in points
        ]
    )


def roofline_table(costs: Mapping[str, Cost], peak: MachinePeak, timed: LatencyResult | None) -> pd.DataFrame:
    """Return one row per model and group: arithmetic intensity and attainable performance.

    If `timed`, the rows of whole networks also have the measured latency and the performance achieved.
    """
    rows: list[dict[str, object]] = []
    for key, cost in costs.items():
        name = MODELS[key].name
        whole = _roofline_row(f"{name}, whole network", cost, peak)
        if timed is not None:
            whole |= _achieved(cost, peak, summary(timed, key).median)
        rows.append(whole)
        rows += [_roofline_row(f"{name}, {group.group}", group, peak) for group in cost.groups]
    return pd.DataFrame(rows)


def _roofline_row(name: str, cost: Cost | GroupCost, peak: MachinePeak) -> dict[str, object]:
    attainable = peak.attainable_gflops(cost.folded_intensity)
    return {
        "Part": name,
        "FLOPs per byte": cost.folded_intensity,
        "Attainable (GFLOPS)": attainable,
        "Fastest possible (ms)": cost.folded_flops / attainable / 1e6 if attainable else nan,
    }


def _achieved(cost: Cost, peak: MachinePeak, milliseconds: float) -> dict[str, object]:
    gflops = reached_gflops(cost, milliseconds)
    return {
        "Measured (ms)": milliseconds,
        "Achieved (GFLOPS)": gflops,
        "Achieved / attainable (%)": 100 * gflops / peak.attainable_gflops(cost.folded_intensity),
    }


def counter_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    """Return one row per counter: the MACs and parameters that it reports for each model."""
    columns: dict[str, object] = {
        "Counter": [count.counter.value for count in next(iter(costs.values())).counts]
    }
    for key, cost in costs.items():
        name = MODELS[key].short_name
        columns[f"{name} MACs"] = [count.macs for count in cost.counts]
        columns[f"{name} parameters"] = _whole_numbers([count.parameters for count in cost.counts])
    return pd.DataFrame(columns)


def uncounted_table(count: Count) -> pd.DataFrame:
    """Return one row per operator that a counter leaves out, the largest first, without free copies."""
    rows = [row for row in count.uncounted if row.operations]
    return pd.DataFrame(
        {
            "Operation": [row.what for row in rows],
            "Operator": [row.operator for row in rows],
            "Calls": [row.calls for row in rows],
            "FLOPs": [row.operations for row in rows],
            "Rule": [row.text for row in rows],
        }
    )


def _whole_numbers(values: Sequence[int | None]) -> IntegerArray:
    """Return integers that may be missing, which NumPy's cannot be."""
    return pd.array(values, dtype="Int64")


def _head_inputs(graph: NetworkGraph) -> list[FeatureMap]:
    """Return the feature maps that the heads read, fine to coarse."""
    heads = {edge.source for edge in graph.edges if edge.target == OUTPUT}
    maps = {edge.map for edge in graph.edges if edge.target in heads}
    return sorted(maps, key=lambda found: found.stride)


def _map_text(found: FeatureMap) -> str:
    return f"{found.channels} channels, {found.width} × {found.height}"


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
