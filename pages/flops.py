"""Compute cost: operations and memory of one forward pass at any input size."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.cost_panels import (
    UNITS,
    costs_at,
    show_groups,
    show_layers,
    show_sizes,
    show_totals,
)
from featherface.dashboard.components.counter_panel import show_counters
from featherface.dashboard.components.input_size import choose_input_size
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.roofline_panel import show_roofline
from featherface.dashboard.components.widgets import choose_chart_format, plain, required_choice
from featherface.models import MODELS
from featherface.profiling.layers import InputSizeError
from featherface.profiling.operators import MissingCounterError

show_title("Compute cost")
st.caption(
    "Operations in one forward pass of each network, independent of the machine. Fewer operations do not "
    "always mean lower latency; the Latency page measures that."
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    height, width = choose_input_size()
    unit = required_choice(
        "Unit", list(UNITS), "MACs", "unit", help="One multiply-accumulate (MAC) is two FLOPs."
    )
try:
    costs = costs_at(tuple(MODELS), height, width)
    show_totals(costs, unit)
    groups, layers, sizes, roofline, counters = st.tabs(
        ["By group", "By layer", "By input size", "Roofline", "Counters"],
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
    with roofline:
        if roofline.open:
            show_roofline(costs, height, width)
    with counters:
        if counters.open:
            show_counters(costs)
except (InputSizeError, MissingCounterError) as error:
    st.error(plain(str(error)), icon=":material/error:")
choose_chart_format()
