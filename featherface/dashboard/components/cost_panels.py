"""Compute cost: totals, cost by group, by layer and by input size."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from featherface.dashboard.components.widgets import origin_badge, show_chart
from featherface.models import MODELS
from featherface.profiling.complexity import Cost, SizeCost, cost, sweep
from featherface.profiling.layers import layer_table
from featherface.reporting.figures.costs import model_bars, model_lines
from featherface.reporting.tables import costliest, group_cost_table, layer_costs, sweep_table
from featherface.study.provenance import Badge

__all__ = ["UNITS", "costs_at", "show_groups", "show_layers", "show_sizes", "show_totals"]

UNITS = {"MACs": 1, "FLOPs": 2}  # per MAC
_COSTLIEST = 15  # parts in the chart; the table has all


@st.cache_resource(max_entries=32, show_spinner="Counting operations")
def costs_at(keys: tuple[str, ...], height: int, width: int) -> dict[str, Cost]:
    """Return the cost of one forward pass of each of the models `keys`. Raises InputSizeError."""
    return {key: cost(key, height, width) for key in keys}


def show_totals(costs: Mapping[str, Cost], unit: str) -> None:
    """Show total cost, reduction and peak memory."""
    baseline, *others = costs
    with st.grid(len(costs) + len(others) + 1, min_column_width=150):
        for key, found in costs.items():
            st.metric(MODELS[key].name, f"{UNITS[unit] * found.macs / 1e9:.3f} G{unit}", border=True)
        for key in others:
            st.metric(
                f"{MODELS[key].short_name} reduction",
                f"{1 - costs[key].macs / costs[baseline].macs:.1%}",
                border=True,
                help=f"Compared with {MODELS[baseline].name}.",
            )
        st.metric(
            "Peak memory",
            " → ".join(f"{found.memory.peak_bytes / 1e6:.1f}" for found in costs.values()) + " MB",
            border=True,
            help=f"{' → '.join(MODELS[key].short_name for key in costs)}: the most bytes of feature maps "
            "alive at the same time in one forward pass, float32, with the input and without the weights.",
        )
    folded = ", ".join(
        f"{MODELS[key].short_name} {found.folded_macs / 1e9:.3f}" for key, found in costs.items()
    )
    origin_badge(
        Badge.COUNTED,
        "Summed over the layers for one image. One MAC is one multiplication and one addition: two "
        "FLOPs. Batch norm counts 4 MACs per value, as in thop, so that totals are comparable with "
        f"published ones. With batch norm folded into the convolutions: {folded} GMACs.",
    )


def show_groups(costs: Mapping[str, Cost], unit: str) -> None:
    """Show the cost of each group of modules."""
    st.caption(f"{unit} per image in each part of the networks.")
    table = group_cost_table(costs, unit)
    groups = list(dict.fromkeys(group.group for found in costs.values() for group in found.groups))
    values = {key: _by_group(found, groups, unit) for key, found in costs.items()}
    show_chart(
        model_bars(groups, values, unit),
        name="cost_by_group",
        alt=f"{unit} per group, in millions. "
        + "; ".join(
            f"{group}: "
            + ", ".join(f"{MODELS[key].short_name} {values[key][row] / 1e6:.0f}" for key in costs)
            for row, group in enumerate(groups)
        ),
        data=table,
    )
    _show_costs(table, unit, alt=f"{unit}, bytes moved and arithmetic intensity per group and model")
    st.caption(
        "Bytes moved: every input and weight read once and every output written once, float32, without "
        "caching. FLOPs per byte is the arithmetic intensity: low values are memory-bound, high values "
        "compute-bound."
    )


def show_layers(height: int, width: int, unit: str) -> None:
    """Show the costliest layers and the table of all layers."""
    table = _costs_by_layer(tuple(MODELS), height, width, unit)
    wide = costliest(table, unit, _COSTLIEST)
    st.caption(
        f"The {_COSTLIEST} most expensive layers. P3, P4 and P5 are the pyramid levels, fine to coarse."
    )
    keys = {entry.name: key for key, entry in MODELS.items()}
    show_chart(
        model_bars(list(wide.index), {keys[name]: list(wide[name]) for name in keys}, unit, row=44),
        name="cost_by_layer",
        alt=f"The most expensive layers in {unit}; the first is {wide.index[0]}",
        data=table,
    )
    _show_costs(table, unit, alt=f"All layers with {unit} and bytes moved, most expensive first")


def show_sizes(unit: str) -> None:
    """Show how cost and memory grow with the input size."""
    st.caption("Square inputs. Doubling the input size quadruples cost and memory.")
    table = sweep_table(_sweeps(tuple(MODELS)), unit)
    size, memory = table.columns[1], table.columns[3]
    for column, (name, y) in zip(
        st.columns(2, gap="medium"), (("cost_by_size", unit), ("memory_by_size", memory)), strict=True
    ):
        with column:
            st.subheader("Compute" if y == unit else "Memory")
            show_chart(
                model_lines(table, size, y),
                name=name,
                alt=f"{y} per model for inputs from {table[size].min()} to {table[size].max()} pixels, "
                "growing with the area",
                data=table,
            )


@st.cache_resource(max_entries=1, show_spinner="Counting operations at several input sizes")
def _sweeps(keys: tuple[str, ...]) -> dict[str, tuple[SizeCost, ...]]:
    return {key: sweep(key) for key in keys}


@st.cache_data(max_entries=32, show_spinner=False)
def _costs_by_layer(keys: tuple[str, ...], height: int, width: int, unit: str) -> pd.DataFrame:
    return layer_costs({key: layer_table(key, height, width) for key in keys}, unit)


def _by_group(found: Cost, groups: list[str], unit: str) -> list[int]:
    macs = {group.group: group.macs for group in found.groups}
    return [UNITS[unit] * macs.get(group, 0) for group in groups]


def _show_costs(table: pd.DataFrame, unit: str, *, alt: str) -> None:
    shares = [name for name in map(str, table) if "%" in name]
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            unit: st.column_config.NumberColumn(format="localized"),
            "Bytes moved": st.column_config.NumberColumn(format="localized"),
            "FLOPs per byte": st.column_config.NumberColumn(format="%.1f"),
            **{name: st.column_config.NumberColumn(format="%.1f") for name in shares},
        },
        alt=alt,
    )
