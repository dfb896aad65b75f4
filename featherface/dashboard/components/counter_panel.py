"""FLOP counters compared: what each reports, and which operations it leaves out."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.widgets import required_choice, show_chart
from featherface.models import MODELS
from featherface.profiling.complexity import Cost
from featherface.profiling.operators import CounterName
from featherface.reporting.figures.costs import model_bars
from featherface.reporting.tables import counter_table, uncounted_table

__all__ = ["show_counters"]


def show_counters(costs: Mapping[str, Cost]) -> None:
    """Show the counters side by side and what the chosen one leaves out."""
    st.caption(
        "The same forward pass counted in several ways, in MACs; the layer table is our own count. What "
        "the study calls FLOPs are MACs."
    )
    st.markdown("\n".join(f"- {_missed_by_thop(key, found)}" for key, found in costs.items()))
    table = counter_table(costs)
    show_chart(
        model_bars(
            list(table["Counter"]),
            {key: [count.macs for count in found.counts] for key, found in costs.items()},
            "MACs",
        ),
        name="counters",
        alt="MACs by counter. "
        + "; ".join(
            f"{MODELS[key].short_name}: "
            + ", ".join(f"{count.counter} {count.macs / 1e9:.4f} G" for count in found.counts)
            for key, found in costs.items()
        ),
        data=table,
    )
    numbers = [name for name in map(str, table) if name != "Counter"]
    st.dataframe(
        table,
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="localized") for name in numbers},
        alt="MACs and parameters per counter and model",
    )
    _show_uncounted(costs)


def _missed_by_thop(key: str, found: Cost) -> str:
    name, thop = MODELS[key].name, found.count(CounterName.THOP_AS_IN_STUDY).macs
    missed = found.macs - thop
    if missed <= 0:
        return f"{name}: {found.macs / 1e9:.3f} GMACs. thop, as used in the study, reports the same."
    return (
        f"{name}: {found.macs / 1e9:.3f} GMACs. thop, as used in the study, reports {thop / 1e9:.3f} GMACs: "
        f"it counts modules only and misses {missed / 1e6:.1f} million MACs of deformable convolutions, "
        "which are called as functions."
    )


def _show_uncounted(costs: Mapping[str, Cost]) -> None:
    st.subheader("Operations not counted")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        counter = st.selectbox(
            "Counter", [name.value for name in CounterName], key="counter", width=420, bind="query-params"
        )
        key = required_choice(
            "Model",
            list(costs),
            next(iter(costs)),
            "counted_model",
            format_func=lambda key: MODELS[key].short_name,
        )
    found = uncounted_table(costs[key].count(CounterName(counter)))
    st.caption(
        f"Operations in {MODELS[key].name} that “{counter}” does not count: "
        f"{found['FLOPs'].sum() / 1e6:,.1f} million FLOPs in total, with an exponential counted as one FLOP. "
        "Copies are free and not listed."
    )
    st.dataframe(
        found,
        hide_index=True,
        column_config={"FLOPs": st.column_config.NumberColumn(format="localized")},
        alt=f"Operations that “{counter}” does not count, most FLOPs first",
    )
    csv_button("Not counted (CSV)", lambda: found, f"not_counted_{key}")
