"""The layers of two models side by side."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.input_size import size_text
from featherface.dashboard.components.model_pair import choose_model_pair
from featherface.models import MODELS
from featherface.profiling.layers import align, layer_table
from featherface.reporting.tables import aligned_layer_table

__all__ = ["show_layer_table"]


def show_layer_table(height: int, width: int) -> None:
    """Show the layers of two models; layers with the same role share a row. Raises InputSizeError."""
    _show_rows(choose_model_pair(), height, width)


@st.fragment
def _show_rows(pair: tuple[str, str], height: int, width: int) -> None:
    table = _layers_side_by_side(pair, height, width)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input(
            "Search", type="search", live=True, key="layer", width=320, bind="query-params"
        )
        differing = st.toggle("Show differences only", key="differing", bind="query-params")
    shown = table[table["Differs"]] if differing else table
    if wanted:
        text = shown.select_dtypes(exclude="number").fillna("").astype(str).agg(" ".join, axis=1)
        shown = shown[text.str.contains(wanted.strip(), case=False, regex=False)]
    shown = shown.drop(columns="Differs")
    st.caption(
        f"{len(shown)} of {len(table)} rows at {size_text(height, width)}. Output shapes: batch × channels "
        "× height × width. Layers with the same role share a row; empty cells mean that the model has no "
        "such layer. MACs are per image."
    )
    numbers = [name for name in map(str, shown) if name.endswith(("parameters", "MACs"))]
    shares = [name for name in map(str, shown) if "%" in name]
    st.dataframe(
        shown,
        hide_index=True,
        height=560,
        column_config={
            shown.columns[0]: st.column_config.TextColumn(pinned=True, width="medium"),
            **{name: st.column_config.NumberColumn(format="localized") for name in numbers},
            **{name: st.column_config.NumberColumn(format="%.2f") for name in shares},
        },
        alt=f"Layers of {' and '.join(MODELS[key].name for key in pair)} with type, output shape, "
        "parameters and MACs",
    )
    csv_button("Layers (CSV)", lambda: shown, f"layers_{width}x{height}")


@st.cache_data(max_entries=32, show_spinner="Tracing the layers")
def _layers_side_by_side(pair: tuple[str, str], height: int, width: int) -> pd.DataFrame:
    first, second = (layer_table(key, height, width) for key in pair)
    return aligned_layer_table(align(first, second), *pair)
