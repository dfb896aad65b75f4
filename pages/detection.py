"""Detection: both models on a person's own photos, side by side."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.comparison_panel import show_comparison
from featherface.dashboard.components.controls import choose_network_input, choose_view
from featherface.dashboard.components.detection_run import run_models
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.photo_strip import choose_photo
from featherface.dashboard.components.widgets import choose_chart_format, plain
from featherface.detection.images import ImageError
from featherface.detection.settings import SettingsError
from featherface.models import MODELS

show_title("Compare face detections")
st.caption(
    f"{' vs '.join(entry.name for entry in MODELS.values())} on your photos. Photos stay in memory while "
    "the page is open and are never written to disk."
)
file = choose_photo()
with st.container(horizontal=True, vertical_alignment="bottom"):
    view = choose_view()
    filters = st.container(horizontal=True, vertical_alignment="bottom")
    given = choose_network_input()
try:
    results = run_models(file, given)
    if results:
        show_comparison(file, given, results, view, filters)
        choose_chart_format()
except (ImageError, SettingsError) as error:
    st.error(plain(str(error)), icon=":material/error:")
