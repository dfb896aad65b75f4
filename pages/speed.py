"""Latency: how long the networks take on this machine, and how reliable the measurement is."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.benchmark_panel import show_benchmarks, show_start
from featherface.dashboard.components.latency_machines import show_machines
from featherface.dashboard.components.latency_panels import show_results
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.timings import Timing
from featherface.dashboard.components.widgets import choose_chart_format
from featherface.dashboard.state.shared_service import benchmark_queue

show_title("Latency on this machine")
st.caption(
    "The models run alternately on the same input, with the Detection page's settings, so that background "
    "load affects them equally. One benchmark runs at a time; those of other visitors are queued."
)
show_start()
show_benchmarks()
measured = [Timing(request, result) for request, result in reversed(benchmark_queue().results())]
if measured:
    show_results(measured)
else:
    st.info("No benchmark has run on this machine yet.", icon=":material/timer:")
show_machines(measured)
choose_chart_format()
