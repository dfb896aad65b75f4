"""Architecture: parameters, layers, diagrams and receptive fields of the networks."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.diagram_panel import show_diagrams
from featherface.dashboard.components.input_size import choose_input_size
from featherface.dashboard.components.layer_panel import show_layer_table
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.parameter_panel import show_parameters
from featherface.dashboard.components.receptive_field_panel import show_receptive_fields
from featherface.dashboard.components.widgets import choose_chart_format, plain
from featherface.models import MODELS
from featherface.profiling.layers import InputSizeError
from featherface.study.measurements import STUDY_MODELS

baseline, redesign = (MODELS[key] for key in STUDY_MODELS)
show_title("Architecture")
st.caption(
    f"{redesign.short_name} keeps the backbone of {baseline.short_name} and shrinks everything after it. "
    "All numbers are counted on the networks that run here; they do not depend on the trained weights."
)
parameters, layers, diagrams, fields = st.tabs(
    ["Parameters", "Layers", "Diagram", "Anchors and receptive fields"],
    key="architecture",
    on_change="rerun",
    bind="query-params",
)
try:
    with parameters:
        if parameters.open:
            show_parameters()
    with layers:
        if layers.open:
            show_layer_table(*choose_input_size())
    with diagrams:
        if diagrams.open:
            show_diagrams(*choose_input_size())
    with fields:
        if fields.open:
            show_receptive_fields()
except InputSizeError as error:
    st.error(plain(str(error)), icon=":material/error:")
if not layers.open:
    choose_chart_format()
