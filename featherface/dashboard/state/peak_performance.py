"""The peak performance of this machine, measured on request and kept until the process ends."""

from __future__ import annotations

from threading import Lock

import streamlit as st

from featherface.profiling.machine import torch_threads
from featherface.profiling.roofline import MachinePeak, measure_peak

__all__ = ["known_peak", "measure_and_keep_peak"]

_MEASURING = Lock()  # two measurements at once would halve each other's result


def known_peak(threads: int) -> MachinePeak | None:
    """Return the latest peak measured with `threads` threads, or None."""
    return _peaks().get(threads)


def measure_and_keep_peak(threads: int) -> None:
    """Measure the peak with `threads` threads; takes about a second."""
    with _MEASURING, torch_threads(threads):
        _peaks()[threads] = measure_peak()


@st.cache_resource(show_spinner=False)
def _peaks() -> dict[int, MachinePeak]:
    return {}
