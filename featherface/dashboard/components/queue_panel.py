"""The queue of measurements: what runs, what waits, and a button that stops this session's own."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from featherface.dashboard.components.timings import setting_text
from featherface.dashboard.state.shared_service import benchmark_queue
from featherface.models import detector_entry
from featherface.profiling.latency import summary
from featherface.serving.benchmark_queue import BenchmarkJob, QueuedJob

__all__ = ["own_job", "show_queue"]

_POLL_SECONDS = 1.0


def own_job(key: str) -> QueuedJob | None:
    """Return the job that this session keeps under `key` in its state, unless it has ended."""
    job = st.session_state.get(key)
    return None if job is None or job.over else job


def show_queue(key: str, newest: Callable[[], object], kept: str) -> None:
    """Show the running and the queued jobs of all sessions.

    The whole page runs again when `newest` returns another result, this session's job ends or the queue is
    empty. key: of the session's own job in its state. kept: what stopping keeps, as a sentence.
    """
    queue = benchmark_queue()
    before, own = newest(), own_job(key)
    busy = bool(queue.jobs()) or own is not None
    last = st.session_state.get(key)
    if last is not None and last.state == "failed":
        st.error("The benchmark failed. The reason is in the server log; try again.", icon=":material/error:")

    def show() -> None:
        over = own is not None and own.over
        if busy and (over or newest() is not before or not queue.jobs()):
            st.rerun()
        _show_jobs(queue.jobs(), own_job(key), kept)

    st.fragment(show, run_every=_POLL_SECONDS if busy else None)()


def _show_jobs(jobs: tuple[QueuedJob, ...], own: QueuedJob | None, kept: str) -> None:
    if own is not None:
        own.watch()
    for position, job in enumerate(jobs):
        whose = "Your benchmark" if job is own else "Another benchmark"
        if position:
            st.caption(f"{whose} is number {position} in the queue; one runs at a time.")
        else:
            _show_progress(whose, job)
    if own is not None:
        st.button("Stop", icon=":material/stop_circle:", on_click=own.stop, help=kept)


def _show_progress(whose: str, job: QueuedJob) -> None:
    st.progress(job.share_done, f"{whose}: {job.status}")
    if isinstance(job, BenchmarkJob) and (results := job.results()):
        found = ", ".join(
            f"{detector_entry(key).short_name} {summary(results[-1], key).median:.1f} ms per image"
            for key in results[-1].milliseconds
        )
        st.caption(f"Median so far at {setting_text(results[-1])}: {found}.")
