"""Parameters by group, and the parameter map down to single tensors."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from featherface.dashboard.components.model_pair import choose_model_pair
from featherface.dashboard.components.widgets import origin_badge, required_choice, show_chart
from featherface.models import MODELS
from featherface.profiling.parameters import parameter_tree, reductions
from featherface.reporting.figures.costs import model_bars
from featherface.reporting.figures.networks import parameter_map
from featherface.reporting.tables import parameter_group_table, parameter_table
from featherface.study.provenance import Badge

__all__ = ["show_parameters"]


def show_parameters() -> None:
    """Show the parameters of two models by group, and the map of every model."""
    first, second = choose_model_pair()
    *groups, whole = reductions(first, second)
    names = MODELS[first].short_name, MODELS[second].short_name
    with st.grid(3):
        st.metric(MODELS[first].name, f"{whole.first:,} parameters", border=True)
        st.metric(MODELS[second].name, f"{whole.second:,} parameters", border=True)
        st.metric(f"{names[1]} reduction", f"{whole.reduction or 0:.1%}", border=True)
    origin_badge(Badge.COUNTED, "Summed over all tensors of the networks; a shared tensor counts once.")
    chart, numbers = st.columns([3, 2], gap="large")
    table = parameter_group_table((*groups, whole), first, second)
    with chart:
        st.subheader("By group")
        st.caption("Learned parameters of each part of the network.")
        show_chart(
            model_bars(
                [row.group for row in groups],
                {first: [row.first for row in groups], second: [row.second for row in groups]},
                "Parameters",
            ),
            name="parameters_by_group",
            alt="Parameters per group. "
            + "; ".join(
                f"{row.group}: {names[0]} {row.first:,}, {names[1]} {row.second:,}" for row in groups
            ),
            data=table,
        )
    with numbers:
        st.subheader("Reduction")
        st.caption(f"Share of the parameters of {names[0]} that {names[1]} saves.")
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="%.1f" if "%" in name else "localized")
                for name in table.columns[1:]
            },
            alt=f"Parameters of {names[0]} and {names[1]} per group, with the reduction in percent",
        )
    _show_parameter_maps()


@st.fragment
def _show_parameter_maps() -> None:
    st.subheader("Parameter map")
    st.caption(
        "The area is proportional to the number of parameters. Click a part to zoom in, the header to go "
        "back."
    )
    kinds: tuple[Literal["treemap", "sunburst"], ...] = ("treemap", "sunburst")
    kind = required_choice(
        "Chart type",
        kinds,
        kinds[0],
        "map",
        format_func=str.capitalize,
        label_visibility="collapsed",
    )
    for column, (key, entry) in zip(st.columns(len(MODELS), gap="medium"), MODELS.items(), strict=True):
        nodes = parameter_tree(key)
        with column:
            show_chart(
                parameter_map(nodes, entry.name, kind),
                name=f"parameters_{key}",
                alt=f"{kind.capitalize()} of the {nodes[0].parameters:,} parameters of {entry.name} by "
                "group, module and tensor",
                data=parameter_table(nodes),
            )
