"""FLOPs: what one pass of each network costs, counted at any input size, and how counters differ."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.input_size import choose_input_size, size_words
from featherface.dashboard.components.widgets import origin_badge, plain, required_choice, show_chart
from featherface.dashboard.state.peak_performance import known_peak, measure_and_keep_peak
from featherface.dashboard.state.shared import machine
from featherface.models import MODELS
from featherface.profiling.complexity import Cost, SizeCost, cost, sweep
from featherface.profiling.latency import LatencyResult, summary
from featherface.profiling.layers import InputSizeError, layer_table
from featherface.profiling.machine import Badge
from featherface.profiling.operators import CounterName
from featherface.profiling.roofline import MachinePeak
from featherface.reporting.figures.costs import Workload, model_bars, model_lines, roofline_chart
from featherface.reporting.tables import (
    costliest,
    counter_table,
    group_cost_table,
    layer_costs,
    roofline_table,
    sweep_table,
    uncounted_table,
)
from featherface.reporting.wording import machine_text, when_text
from featherface.serving.benchmark_queue import benchmark_queue

UNITS = {"MACs": 1, "FLOPs": 2}  # how many a MAC is
COSTLIEST = 15  # parts in the chart; the table has all


@st.cache_resource(max_entries=32, show_spinner="Counting one pass of each network")
def costs_at(height: int, width: int) -> dict[str, Cost]:
    """Return what each model costs."""
    return {key: cost(key, height, width) for key in MODELS}


@st.cache_resource(max_entries=1, show_spinner="Counting at seven sizes")
def sweeps() -> dict[str, tuple[SizeCost, ...]]:
    """Return the cost of each model from small to large inputs."""
    return {key: sweep(key) for key in MODELS}


@st.cache_data(max_entries=32, show_spinner=False)
def costs_by_layer(height: int, width: int, unit: str) -> pd.DataFrame:
    """Return all layers that compute, the costliest first."""
    return layer_costs({key: layer_table(key, height, width) for key in MODELS}, unit)


def show_totals(costs: Mapping[str, Cost], unit: str) -> None:
    """Show the cards."""
    first, second = costs["v1"], costs["v2"]
    with st.grid(4, min_column_width=150):
        for key, found in costs.items():
            st.metric(MODELS[key].name, f"{UNITS[unit] * found.macs / 1e9:.3f} G{unit}", border=True)
        st.metric("V2 saves", f"{1 - second.macs / first.macs:.1%}", border=True)
        st.metric(
            "Peak memory, MB",
            " → ".join(f"{found.memory.peak_bytes / 1e6:.1f}" for found in costs.values()),
            border=True,
            help="The most bytes of feature maps alive at once during one pass, V1 → V2, float32, with the "
            "picture and without the weights.",
        )
    origin_badge(
        Badge.COUNTED,
        "Followed layer by layer through both networks for one picture. A MAC is one multiplication with its "
        "addition and makes two FLOPs; batch norm counts 4 MACs a value, as thop has it, so that totals "
        f"compare with published ones. Without batch norm: {first.folded_macs / 1e9:.3f} and "
        f"{second.folded_macs / 1e9:.3f} GMACs.",
    )


def show_groups(costs: Mapping[str, Cost], unit: str) -> None:
    """Show the cost of each of the study's groups."""
    st.caption(f"{unit} for one picture in each part of the networks: where V2 saves.")
    table = group_cost_table(costs, unit)
    show_chart(
        model_bars(
            [group.group for group in costs["v1"].groups],
            {key: [UNITS[unit] * group.macs for group in found.groups] for key, found in costs.items()},
            unit,
        ),
        name="cost_by_group",
        alt=f"{unit} of V1 and V2 by group: "
        + "; ".join(
            f"{one.group} {UNITS[unit] * one.macs / 1e6:.0f} and {UNITS[unit] * two.macs / 1e6:.0f} million"
            for one, two in zip(costs["v1"].groups, costs["v2"].groups, strict=True)
        ),
        data=table,
    )
    show_numbers(table, unit, alt=f"{unit}, bytes moved and arithmetic intensity by group and model")
    st.caption(
        "Bytes moved: inputs and weights read and outputs written once, float32, as if nothing stayed in "
        "cache. FLOPs per byte is the arithmetic intensity: low values wait for memory, high ones for "
        "arithmetic."
    )


def show_layers(height: int, width: int, unit: str) -> None:
    """Show the costliest parts and all layers."""
    table = costs_by_layer(height, width, unit)
    wide = costliest(table, unit, COSTLIEST)
    st.caption(
        f"The {COSTLIEST} costliest parts of the two networks; P3, P4 and P5 are fine to coarse levels."
    )
    keys = {entry.name: key for key, entry in MODELS.items()}
    show_chart(
        model_bars(wide.index, {keys[name]: wide[name] for name in keys}, unit, row=44),
        name="cost_by_layer",
        alt=f"The costliest parts in {unit}; at the top {wide.index[0]}",
        data=table,
    )
    show_numbers(table, unit, alt=f"All layers that compute with {unit} and bytes moved, costliest first")


def show_numbers(table: pd.DataFrame, unit: str, *, alt: str) -> None:
    """Show a table of costs."""
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            unit: st.column_config.NumberColumn(format="localized"),
            "Bytes moved": st.column_config.NumberColumn(format="localized"),
            "Share, %": st.column_config.NumberColumn(format="%.1f"),
            "FLOPs per byte": st.column_config.NumberColumn(format="%.1f"),
        },
        alt=alt,
    )


def show_sizes(unit: str) -> None:
    """Show how cost and memory grow with the input."""
    st.caption("Square pictures: twice the side is four times the work and memory.")
    table = sweep_table(sweeps(), unit)
    memory = "Peak activation memory, bytes"
    for column, (name, y) in zip(
        st.columns(2, gap="medium"), (("cost_by_size", unit), ("memory_by_size", memory)), strict=True
    ):
        with column:
            st.subheader("Work" if y == unit else "Memory")
            show_chart(
                model_lines(table, "Side, pixels", y),
                name=name,
                alt=f"{y} of V1 and V2 for sides of {table['Side, pixels'].min()} to "
                f"{table['Side, pixels'].max()} pixels, growing with the area",
                data=table,
            )


def show_roofline(costs: Mapping[str, Cost], height: int, width: int) -> None:
    """Show how near the networks can come, and come, to what this machine can do."""
    st.caption(
        "How fast the networks could compute: the roof's slope is the memory's speed, its flat part the "
        "processor's. Left of the bend a network waits for memory, right of it for arithmetic."
    )
    cores = machine().cores
    with st.container(horizontal=True, vertical_alignment="bottom"):
        threads = required_choice("Threads", range(1, cores + 1), 1, "roof_threads")
        busy = bool(benchmark_queue().jobs())
        if st.button("Measure this machine's peak", icon=":material/timer:", disabled=busy):
            with st.spinner("Measuring for a few seconds"):
                measure_and_keep_peak(threads)
    if busy:
        st.caption("A benchmark is running; the peak can be measured when it is over.")
    peak = known_peak(threads)
    if peak is None:
        st.info("The peak was not measured yet with so many threads.", icon=":material/timer:")
        return
    timed = newest_timing(height, width, threads)
    table = roofline_table(costs, peak, timed)
    origin_badge(
        Badge.MEASURED,
        f"On {when_text(peak.when)}, on {machine_text(peak.machine)}, threads: {threads}; the best of half a "
        "second each of matrix products and of copying.",
    )
    show_chart(
        roofline_chart(peak, workloads(costs, peak, timed)),
        name="roofline",
        alt=f"Roof of {peak.gflops:.0f} GFLOPS and {peak.gigabytes_per_second:.0f} GB/s with the networks "
        "and their groups by arithmetic intensity",
        data=table,
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.1f") for name in table.columns if name != "Part"
        },
        alt="Arithmetic intensity, roof and speed reached of each model",
    )
    st.caption(
        f"Roof: {peak.gflops:.1f} GFLOPS and {peak.gigabytes_per_second:.1f} GB/s, bend at {peak.ridge:.1f} "
        f"FLOPs per byte. Filled stars: reached at {size_words(height, width)} in the newest benchmark with "
        "the same threads; open signs: at the roof. Bytes are counted as if nothing stayed in the cache, so "
        "maps that fit into it can lift a network above the slope."
        + ("" if timed else " Run a benchmark at this size on the Speed page to see what is reached.")
    )


def newest_timing(height: int, width: int, threads: int) -> LatencyResult | None:
    """Return the newest benchmark of the networks alone at this size, one picture at a time."""
    for request, result in reversed(benchmark_queue().results()):
        at = result.settings
        if request.photo is None and (at.height, at.width, at.batch, at.threads) == (
            height,
            width,
            1,
            threads,
        ):
            return result
    return None


def workloads(costs: Mapping[str, Cost], peak: MachinePeak, timed: LatencyResult | None) -> list[Workload]:
    """Return the points of the roofline: the networks where they are, and parts where they could be."""
    points = []
    for key, found in costs.items():
        at_best = peak.attainable_gflops(found.intensity)
        reached = found.flops / summary(timed, key).median / 1e6 if timed else at_best
        points.append(Workload(key, None, found.intensity, reached, reached=timed is not None))
        points += [
            Workload(key, part.group, part.intensity, peak.attainable_gflops(part.intensity), reached=False)
            for part in found.groups
        ]
    return points


def show_counters(costs: Mapping[str, Cost]) -> None:
    """Show what each counter says, and what it leaves out."""
    first = costs["v1"]
    missed = first.macs - first.count(CounterName.THOP_AS_IN_STUDY).macs
    st.caption(
        "Four ways to count the same pass, in MACs; the layer table is this program's own. The study's "
        f"thop sees {first.count(CounterName.THOP_AS_IN_STUDY).macs / 1e9:.4f} GMACs of V1 and misses "
        f"{missed / 1e6:.1f} million: the deformable convolutions, whose weight is used by a function and "
        f"not by a layer. V1's true figure is {first.macs / 1e9:.3f} GMACs. V2 has none of them. "
        "FlopCounterMode leaves batch norm out. What the study calls FLOPs are MACs."
    )
    table = counter_table(costs)
    show_chart(
        model_bars(
            table["Counter"],
            {key: [count.macs for count in found.counts] for key, found in costs.items()},
            "MACs",
        ),
        name="counters",
        alt="MACs of V1 and V2 by four counters: "
        + ", ".join(f"{count.counter} {count.macs / 1e9:.4f} G for V1" for count in first.counts),
        data=table,
    )
    numbers = [name for name in table if name != "Counter"]
    st.dataframe(
        table,
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="localized") for name in numbers},
        alt="MACs and parameters of V1 and V2 as each counter reports them",
    )
    show_uncounted(costs)


def show_uncounted(costs: Mapping[str, Cost]) -> None:
    """Show what one counter leaves out."""
    st.subheader("What is not counted")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        counter = st.selectbox(
            "Counter", [name.value for name in CounterName], key="counter", width=420, bind="query-params"
        )
        key = required_choice("Model", list(MODELS), "v1", "counted_model", format_func=str.upper)
    found = uncounted_table(costs[key].count(CounterName(counter)))
    st.caption(
        f"Operations that {counter} leaves out of {MODELS[key].name}, "
        f"{found['FLOPs'].sum() / 1e6:,.1f} million FLOPs in all; an exponential counts as one. Copies "
        "compute nothing and are not listed."
    )
    st.dataframe(
        found,
        hide_index=True,
        column_config={"FLOPs": st.column_config.NumberColumn(format="localized")},
        alt=f"Operations that {counter} does not count, the most first",
    )
    csv_button("Not counted (CSV)", lambda: found, f"not_counted_{key}")


st.title("What a picture costs")
st.caption(
    "The arithmetic of one pass through each network, whatever machine runs it. Less work is not always less "
    "time: the Speed page measures that."
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    height, width = choose_input_size()
    unit = required_choice(
        "Unit", list(UNITS), "MACs", "unit", help="A MAC is one multiplication with its addition: two FLOPs."
    )
try:
    costs = costs_at(height, width)
    show_totals(costs, unit)
    groups, layers, sizes, roof, counters = st.tabs(
        ["By group", "By layer", "By size", "Roofline", "Counters"],
        key="cost",
        on_change="rerun",
        bind="query-params",
    )
    with groups:
        if groups.open:
            show_groups(costs, unit)
    with layers:
        if layers.open:
            show_layers(height, width, unit)
    with sizes:
        if sizes.open:
            show_sizes(unit)
    with roof:
        if roof.open:
            show_roofline(costs, height, width)
    with counters:
        if counters.open:
            show_counters(costs)
except InputSizeError as error:
    st.error(plain(str(error)), icon=":material/error:")
