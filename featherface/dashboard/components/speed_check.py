"""The overview's timing of both models: short, measured once a process, again on request."""

from __future__ import annotations

from contextlib import suppress
from itertools import takewhile

import streamlit as st

from featherface.dashboard.state.study_measurements import FULL_BENCHMARK, QUICK_BENCHMARK
from featherface.profiling.latency import noise
from featherface.reporting.wording import machine_text, when_text
from featherface.serving.benchmark_queue import (
    BenchmarkBusyError,
    BenchmarkJob,
    benchmark_queue,
)
from featherface.study.measurements import Measurements

__all__ = ["show_speed_check"]

_POLL_SECONDS = 1.0


def show_speed_check(measured: Measurements) -> None:
    """Show when speed was measured, or the measurement under way; without any, start the short one."""
    if measured.latency is None:
        _start_once()
    watched = _ours() is not None
    st.fragment(_show, run_every=_POLL_SECONDS if watched else None)(measured, watched)


def _show(measured: Measurements, watched: bool) -> None:
    job = _ours()
    if watched and job is None:
        st.rerun()  # the whole page has new numbers
    if job is not None:
        _show_progress(job)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if measured.latency is None:
            st.caption("The speed on this machine has not been measured.")
        else:
            _show_result(measured)
        if st.button(
            f"Measure in {FULL_BENCHMARK.points[0].runs} rounds",
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


def _show_result(measured: Measurements) -> None:
    result = measured.latency
    settings = result.settings
    text = (
        f"Speed measured on {when_text(result.when)}: {result.rounds} rounds at {settings.width} x "
        f"{settings.height}, threads: {settings.threads}, on {machine_text(result.machine)}."
    )
    if noise(result).noisy:
        text += " **The run was noisy**, so do not lean on it: measure again when the machine is idle."
    st.caption(text)


def _show_progress(job: BenchmarkJob) -> None:
    job.watch()
    before = len(list(takewhile(lambda other: other is not job, benchmark_queue().jobs())))
    if before:
        st.caption(f"Speed is measured in its turn, after {before} more: one benchmark runs at a time.")
        return
    done, total, seconds = 0, sum(point.runs + point.warmup for point in job.request.points), ""
    if job.progress is not None:
        done, seconds = job.progress.done, f", about {job.progress.remaining_seconds:.0f} s left"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(done / total, f"Measuring speed: round {done} of {total}{seconds}")
        st.button("Stop", key="stop_measuring", type="tertiary", on_click=job.stop)


def _ours() -> BenchmarkJob | None:
    """Return the overview's benchmark if it runs or waits, whoever asked for it."""
    wanted = (job for job in benchmark_queue().jobs() if job.request in (QUICK_BENCHMARK, FULL_BENCHMARK))
    return next(wanted, None)


@st.cache_resource(show_spinner=False)
def _start_once() -> None:
    """Start the short benchmark the first time that somebody looks; not again, whatever comes of it."""
    with suppress(BenchmarkBusyError):
        benchmark_queue().submit(QUICK_BENCHMARK)
