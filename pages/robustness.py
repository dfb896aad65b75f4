"""Robustness: which model loses faces first as a photo gets worse."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.group_panel import show_own_groups
from featherface.dashboard.components.labelled_robustness_panel import (
    show_attributes,
    show_labelled_stress,
)
from featherface.dashboard.components.model_pair import choose_model_pair
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.photo_strip import choose_photo
from featherface.dashboard.components.stress_panel import choose_corruption, show_photo_stress
from featherface.dashboard.components.widgets import choose_chart_format

show_title("Robustness")
st.caption(
    "Noise, blur, darkness and other corruptions in five severities. Photos stay in memory while the page is "
    "open and are never written to disk."
)
file = choose_photo()
models = choose_model_pair()
corruption, settings = choose_corruption()
show_photo_stress(file, corruption, models, settings)
st.header("Labelled images under corruption")
show_labelled_stress()
st.header("Blur, occlusion and other attributes")
show_attributes()
st.header("Fairness: groups that you label")
show_own_groups()
choose_chart_format()
