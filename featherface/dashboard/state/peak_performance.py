"""This machine's peak, measured when somebody asks and kept until the process ends."""

from __future__ import annotations

from threading import Lock

import streamlit as st

from featherface.profiling.machine import torch_threads
from featherface.profiling.roofline import MachinePeak, measure_peak

__all__ = ["known_peak", "measure_and_keep_peak"]

_MEASURING = Lock()  # two at once would halve each other


def known_peak(threads: int) -> MachinePeak | None:
    """Return the last peak measured with so many threads."""
    return _peaks().get(threads)


def measure_and_keep_peak(threads: int) -> None:
    """Measure the peak with so many threads; takes about a second."""
    with _MEASURING, torch_threads(threads):
        _peaks()[threads] = measure_peak()


@st.cache_resource(show_spinner=False)
def _peaks() -> dict[int, MachinePeak]:
    return {}
