"""The Overview's latency benchmark: a short one once per process, a longer one on request."""

from __future__ import annotations

from contextlib import suppress
from itertools import takewhile

import streamlit as st

from featherface.dashboard.components.timings import setting_text
from featherface.dashboard.state.shared_service import benchmark_queue
from featherface.dashboard.state.study_measurements import FULL_BENCHMARK, QUICK_BENCHMARK
from featherface.profiling.latency import LatencyResult, noise
from featherface.reporting.wording import machine_text, when_text
from featherface.serving.benchmark_queue import BenchmarkBusyError, BenchmarkJob
from featherface.study.measurements import Measurements

__all__ = ["show_latency_check"]

_POLL_SECONDS = 1.0


def show_latency_check(measured: Measurements) -> None:
    """Show when latency was measured, or the benchmark in progress; start the short one if there is none."""
    if measured.latency is None:
        _start_once()
    watched = _overview_job() is not None
    st.fragment(_show, run_every=_POLL_SECONDS if watched else None)(measured, watched)


def _show(measured: Measurements, watched: bool) -> None:
    job = _overview_job()
    if watched and job is None:
        st.rerun()  # every number on the page may have changed
    if job is not None:
        _show_progress(job)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if measured.latency is None:
            st.caption("Latency has not been measured on this machine yet.")
        else:
            _show_result(measured.latency)
        if st.button(
            f"Run {FULL_BENCHMARK.points[0].runs} rounds",
            key="measure_again",
            icon=":material/timer:",
            type="tertiary",
        ):
            try:
                benchmark_queue().submit(FULL_BENCHMARK)
            except BenchmarkBusyError as error:
                st.error(str(error), icon=":material/error:")
            else:
                st.rerun()


def _show_result(result: LatencyResult) -> None:
    text = (
        f"Latency measured {when_text(result.when)}: {result.rounds} rounds at {setting_text(result)}, on "
        f"{machine_text(result.machine)}."
    )
    if noise(result).noisy:
        text += " **This run was noisy**; treat the result as unreliable and repeat it on an idle machine."
    st.caption(text)


def _show_progress(job: BenchmarkJob) -> None:
    job.watch()
    before = len(list(takewhile(lambda other: other is not job, benchmark_queue().jobs())))
    if before:
        others = "1 other" if before == 1 else f"{before} others"
        st.caption(f"The latency benchmark is queued behind {others}; one runs at a time.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.share_done, f"Measuring latency: {job.status}")
        st.button("Stop", key="stop_measuring", type="tertiary", on_click=job.stop)


def _overview_job() -> BenchmarkJob | None:
    """Return the Overview's benchmark if it is running or queued, whoever started it."""
    jobs = (job for job in benchmark_queue().jobs() if isinstance(job, BenchmarkJob))
    return next((job for job in jobs if job.request in (QUICK_BENCHMARK, FULL_BENCHMARK)), None)


@st.cache_resource(show_spinner=False)
def _start_once() -> None:
    """Start the short benchmark on the first visit in this process, and never again."""
    with suppress(BenchmarkBusyError):
        benchmark_queue().submit(QUICK_BENCHMARK)
