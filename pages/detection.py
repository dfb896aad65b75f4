"""Detection: both models on a person's own photos, side by side."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.batch_panel import show_all_photos
from featherface.dashboard.components.comparison_panel import show_comparison
from featherface.dashboard.components.controls import (
    View,
    choose_hiding,
    choose_network_input,
    choose_view,
)
from featherface.dashboard.components.detection_run import run_models, run_on_all_photos
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.photo_strip import choose_batch, choose_photo
from featherface.dashboard.components.widgets import choose_chart_format, plain
from featherface.detection.images import ImageError
from featherface.detection.settings import SettingsError

show_title("Compare face detections")
st.caption(
    "See what each model finds on the same photo. Photos stay in memory while the page is open and are never "
    "written to disk."
)
strip = st.container()
with st.container(horizontal=True, vertical_alignment="bottom"):
    view = choose_view()
    bar = choose_hiding()
    given = choose_network_input()
with strip:
    file = choose_photo(tiles=view is not View.ALL_PHOTOS, hide=bar.hide)
try:
    if view is View.ALL_PHOTOS:
        runs = run_on_all_photos(choose_batch(), given)
        if runs:
            show_all_photos(runs, given, bar)
    else:
        results = run_models(file, given)
        if results:
            show_comparison(file, given, results, view, bar)
            choose_chart_format()
except (ImageError, SettingsError) as error:
    st.error(plain(str(error)), icon=":material/error:")
