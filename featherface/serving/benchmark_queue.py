"""The one benchmark at a time that all sessions share; others queue, and every session can watch."""

from __future__ import annotations

import atexit
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Literal

import streamlit as st
from torch import nn

from featherface.dashboard.state.shared import weights_folder
from featherface.errors import FeatherFaceError
from featherface.profiling.latency import LatencyResult, LatencySettings, Progress, benchmark
from featherface.study.results import load_networks

__all__ = [
    "BenchmarkBusyError",
    "BenchmarkJob",
    "BenchmarkQueue",
    "BenchmarkRequest",
    "benchmark_queue",
]

_LOG = logging.getLogger(__name__)
_MAX_JOBS = 8  # running and waiting
_MAX_RESULTS = 200  # points kept, the newest; 100 rounds of two models take 3 kB
_MIN_ROUNDS = 2  # below, there is no spread
_CLOSE_SECONDS = 30
_UNWATCHED_SECONDS = 180  # a hidden tab still asks once a minute


class BenchmarkBusyError(FeatherFaceError):
    """Too many benchmarks wait already; the message is one sentence."""


@dataclass(frozen=True)
class BenchmarkRequest:
    """What to measure: points one after the other; `photo` as in `analysis.latency.benchmark`."""

    points: tuple[LatencySettings, ...]
    photo: bytes | None = None


class BenchmarkJob:
    """One request on its way. Whoever shows it calls `watch` now and then; unwatched jobs are stopped."""

    def __init__(self, request: BenchmarkRequest) -> None:
        self.request = request
        self.state: Literal["waiting", "running", "finished", "stopped", "failed"] = "waiting"
        self.progress: Progress | None = None  # the latest
        self._stopping = False
        self._watched = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("finished", "stopped", "failed")

    def watch(self) -> None:
        """Tell that somebody still wants the result."""
        self._watched = time.monotonic()

    def stop(self) -> None:
        """End after the round at work; what was measured is kept."""
        self._stopping = True

    def results(self) -> tuple[LatencyResult, ...]:
        """Return the points measured so far that have enough rounds to say anything."""
        points = self.progress.results if self.progress else ()
        return tuple(point for point in points if point.rounds >= _MIN_ROUNDS)

    def run(self, networks: Mapping[str, nn.Module]) -> Literal["finished", "stopped"]:
        """Measure and return how it ended; the queue's thread calls this."""
        if self._unwanted():
            return "stopped"
        self.state = "running"
        for progress in benchmark(networks, self.request.points, self.request.photo):
            self.progress = progress
            if self._unwanted() and progress.done < progress.total:
                return "stopped"
        return "finished"

    def _unwanted(self) -> bool:
        return self._stopping or time.monotonic() - self._watched > _UNWATCHED_SECONDS


class BenchmarkQueue:
    """Runs jobs one by one in a thread of its own and keeps their results, newest last."""

    def __init__(self, networks: Callable[[], Mapping[str, nn.Module]]) -> None:
        self._networks = networks
        self._lock = Lock()  # guards what follows
        self._jobs: list[BenchmarkJob] = []  # the first one runs
        self._results: deque[tuple[BenchmarkRequest, LatencyResult]] = deque(maxlen=_MAX_RESULTS)
        self._thread: Thread | None = None

    def submit(self, request: BenchmarkRequest) -> BenchmarkJob:
        """Return the job for `request`: the one under way if somebody else wants the same.

        Raises BenchmarkBusyError.
        """
        with self._lock:
            for job in self._jobs:
                if job.request == request:
                    return job
            if len(self._jobs) >= _MAX_JOBS:
                raise BenchmarkBusyError(f"{_MAX_JOBS} benchmarks wait already: try again in a few minutes.")
            job = BenchmarkJob(request)
            self._jobs.append(job)
            if len(self._jobs) == 1:
                self._thread = Thread(target=self._work, name="benchmark", daemon=True)
                self._thread.start()
            return job

    def jobs(self) -> tuple[BenchmarkJob, ...]:
        """Return the jobs that run (the first) and wait, in order."""
        with self._lock:
            return tuple(self._jobs)

    def results(self) -> tuple[tuple[BenchmarkRequest, LatencyResult], ...]:
        """Return what was measured since the process started, each point with its request, oldest first."""
        with self._lock:
            return tuple(self._results)

    def latest(self, settings: LatencySettings) -> LatencyResult | None:
        """Return the newest complete result of the networks alone at `settings`."""
        for request, result in reversed(self.results()):
            if result.settings == settings and result.complete and request.photo is None:
                return result
        return None

    def close(self) -> None:
        """Stop all jobs and wait for the round at work: a process must not end in the middle of one."""
        for job in self.jobs():
            job.stop()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _work(self) -> None:
        while jobs := self.jobs():
            job = jobs[0]
            try:
                ended = job.run(self._networks())
            except Exception:  # the queue has to live on; sessions see the state, the log the reason
                _LOG.exception("A benchmark failed.")
                ended = "failed"
            with self._lock:
                self._results.extend((job.request, result) for result in job.results())
                self._jobs.remove(job)
                job.state = ended


@st.cache_resource(show_spinner=False)
def benchmark_queue() -> BenchmarkQueue:
    """Return the one queue of this process."""
    queue = BenchmarkQueue(lambda: load_networks(weights_folder())[0])
    atexit.register(queue.close)
    return queue
