"""The networks as diagrams, and the feature maps that the heads read."""

from __future__ import annotations

import streamlit as st

from featherface.config import STRIDES
from featherface.dashboard.components.input_size import size_text
from featherface.dashboard.components.widgets import show_chart
from featherface.models import MODELS
from featherface.profiling.graph import network_graph
from featherface.reporting.figures.networks import network_diagram
from featherface.reporting.tables import level_table, stage_table

__all__ = ["show_diagrams"]


def show_diagrams(height: int, width: int) -> None:
    """Show one diagram per model and the shapes of its pyramid levels. Raises InputSizeError."""
    graphs = {key: network_graph(key, height, width) for key in MODELS}
    st.caption(
        "Traced from the running network, from the input at the top to the outputs at the bottom, one "
        "column per pyramid level. Coarser levels detect larger faces. Hover over a box for its shape and "
        "cost."
    )
    strides = ", ".join(map(str, STRIDES))
    for column, (key, graph) in zip(st.columns(len(graphs), gap="medium"), graphs.items(), strict=True):
        with column:
            st.subheader(MODELS[key].name)
            show_chart(
                network_diagram(graph),
                name=f"diagram_{key}",
                alt=f"Diagram of {MODELS[key].name}: {len(graph.stages) - 2} modules between input and "
                f"outputs, on pyramid levels of stride {strides}",
                data=stage_table(graph),
            )
    st.subheader("Feature maps")
    st.caption(
        f"Size and channels of the feature maps that the heads read at {size_text(height, width)}. Each "
        "cell has two anchors: reference boxes from which face boxes are regressed."
    )
    st.dataframe(
        level_table(graphs, height, width),
        hide_index=True,
        column_config={"Anchors": st.column_config.NumberColumn(format="localized")},
        alt="Stride, cells, anchors and channels per pyramid level",
    )
