"""The queue of measurements: one runs at a time for all sessions, and every session can watch it."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock, Thread
from typing import Literal, TypeVar

from torch import nn

from featherface.checkpoints import WeightsFile
from featherface.checkpoints.detector_files import detector_model
from featherface.errors import FeatherFaceError
from featherface.profiling.latency import BenchmarkPhoto, LatencyResult, LatencySettings, Progress, benchmark

__all__ = ["BenchmarkBusyError", "BenchmarkJob", "BenchmarkQueue", "BenchmarkRequest", "Ending", "QueuedJob"]

_LOG = logging.getLogger(__name__)
_MAX_JOBS = 8  # running and waiting
_MAX_RESULTS = 200  # points kept, the newest; 100 rounds of two models take 3 kB
_MIN_ROUNDS = 2  # with fewer there is no spread
_CLOSE_SECONDS = 30
_UNWATCHED_SECONDS = 180  # a browser tab in the background still asks once per minute

Ending = Literal["finished", "stopped", "failed"]


class BenchmarkBusyError(FeatherFaceError):
    """Too many benchmarks are waiting."""


@dataclass(frozen=True)
class BenchmarkRequest:
    """What to measure: points one after the other; `photo` as in `profiling.latency.benchmark`.

    models: keys of the models and other detectors to measure; all models if empty. files: the model files of
        the other detectors among them.
    """

    points: tuple[LatencySettings, ...]
    photo: BenchmarkPhoto | None = None
    models: tuple[str, ...] = ()
    files: tuple[WeightsFile, ...] = ()

    def without_content(self) -> BenchmarkRequest:
        """Return the request without the bytes of model files that were uploaded."""
        return replace(self, files=tuple(file.without_content() for file in self.files))


class QueuedJob(ABC):
    """Something that takes minutes and needs the machine for itself.

    Whoever shows it must call `watch` regularly: jobs that nobody watches are stopped.
    """

    def __init__(self, request: object) -> None:
        """Jobs of equal `request` measure the same."""
        self.request = request
        self.state: Literal["waiting", "running"] | Ending = "waiting"
        self._lock = Lock()  # guards what follows
        self._stopping = False
        self._watched = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self.state in ("finished", "stopped", "failed")

    def watch(self) -> bool:
        """Keep the job alive for another three minutes; return False if it is stopping or has ended."""
        with self._lock:
            self._watched = time.monotonic()
            return not self._stopping and not self.over

    def stop(self) -> None:
        """Stop after the current round; what was measured is kept."""
        with self._lock:
            self._stopping = True

    @property
    @abstractmethod
    def share_done(self) -> float:
        """How much of the job is done, 0 to 1."""

    @property
    @abstractmethod
    def status(self) -> str:
        """What the job is at, in a few words."""

    @abstractmethod
    def run(self, networks: Mapping[str, nn.Module]) -> Ending:
        """Measure, and return how the job ended; the queue's thread calls this."""

    def must_stop(self) -> bool:
        """Say whether the job must stop; once True, `watch` returns False."""
        with self._lock:
            self._stopping = self._stopping or time.monotonic() - self._watched > _UNWATCHED_SECONDS
            return self._stopping


class BenchmarkJob(QueuedJob):
    """A benchmark of latency and its progress."""

    request: BenchmarkRequest

    def __init__(self, request: BenchmarkRequest) -> None:
        super().__init__(request)
        self.progress: Progress | None = None  # the latest

    @property
    def share_done(self) -> float:
        """How much of the job is done, 0 to 1."""
        return 0.0 if self.progress is None else self.progress.done / self.progress.total

    @property
    def status(self) -> str:
        """The round, and about how long is left."""
        total = sum(point.runs + point.warmup for point in self.request.points)
        if self.progress is None:
            return f"round 0 of {total}"
        seconds = self.progress.remaining_seconds
        return f"round {self.progress.done} of {total}, about {seconds:.0f} s left"

    def results(self) -> tuple[LatencyResult, ...]:
        """Return the points measured so far that have at least two rounds."""
        points = self.progress.results if self.progress else ()
        return tuple(point for point in points if point.rounds >= _MIN_ROUNDS)

    def run(self, networks: Mapping[str, nn.Module]) -> Ending:
        """Measure, and return how the job ended; the queue's thread calls this."""
        if self.must_stop():
            return "stopped"
        self.state = "running"
        request = self.request
        chosen = {key: network for key, network in networks.items() if key in (request.models or networks)}
        detectors = {file.key: detector_model(file) for file in request.files}
        for progress in benchmark(chosen, request.points, request.photo, detectors):
            self.progress = progress
            if progress.done < progress.total and self.must_stop():
                return "stopped"
        return "finished"


_Job = TypeVar("_Job", bound=QueuedJob)


class BenchmarkQueue:
    """Runs jobs one at a time in its own thread and keeps their results, newest last."""

    def __init__(self, networks: Callable[[], Mapping[str, nn.Module]]) -> None:
        """`networks` returns the networks to measure, by model key; it is called for every job."""
        self._networks = networks
        self._lock = Lock()  # guards what follows
        self._jobs: list[QueuedJob] = []  # the first one runs
        self._results: deque[tuple[BenchmarkRequest, LatencyResult]] = deque(maxlen=_MAX_RESULTS)
        self._thread: Thread | None = None  # None exactly when there are no jobs

    def submit(self, request: BenchmarkRequest) -> BenchmarkJob:
        """Add a benchmark as `add` does."""
        return self.add(BenchmarkJob(request))

    def add(self, new: _Job) -> _Job:
        """Return `new`, or a running or waiting job for the same request, unless that one is stopping.

        Raises BenchmarkBusyError.
        """
        with self._lock:
            for job in self._jobs:
                if type(job) is type(new) and job.request == new.request and job.watch():
                    return job
            if len(self._jobs) >= _MAX_JOBS:
                raise BenchmarkBusyError(
                    f"{_MAX_JOBS} benchmarks are already queued; try again in a few minutes."
                )
            self._jobs.append(new)
            if self._thread is None:
                self._thread = Thread(target=self._run_jobs, name="benchmark", daemon=True)
                self._thread.start()
            return new

    def jobs(self) -> tuple[QueuedJob, ...]:
        """Return the running job (the first) and the waiting ones, in order."""
        with self._lock:
            return tuple(self._jobs)

    def results(self) -> tuple[tuple[BenchmarkRequest, LatencyResult], ...]:
        """Return all points measured since the process started, each with its request, oldest first."""
        with self._lock:
            return tuple(self._results)

    def latest(self, settings: LatencySettings) -> LatencyResult | None:
        """Return the newest complete result of all models' networks alone at `settings`."""
        for request, result in reversed(self.results()):
            as_asked = result.settings == settings and result.complete
            if as_asked and request.photo is None and not request.models:
                return result
        return None

    def close(self) -> None:
        """Stop all jobs and wait for the current round: a process must not end in the middle of one."""
        for job in self.jobs():
            job.stop()
        self.wait(_CLOSE_SECONDS)

    def wait(self, seconds: float) -> bool:
        """Wait until all jobs have ended, at most `seconds`; return whether they have."""
        deadline = time.monotonic() + seconds
        while (thread := self._current_thread()) is not None and time.monotonic() < deadline:
            thread.join(deadline - time.monotonic())
        return thread is None

    def _current_thread(self) -> Thread | None:
        with self._lock:
            return self._thread

    def _run_jobs(self) -> None:
        """Run jobs until none is left.

        That the thread ends is decided under the lock under which `submit` decides to start one, so there is
        never more than one.
        """
        while job := self._next_job():
            try:
                ending = job.run(self._networks())
            except Exception:  # the queue must go on; sessions see the state, the log has the reason
                _LOG.exception("A benchmark failed.")
                ending = "failed"
            with self._lock:
                if isinstance(job, BenchmarkJob):
                    asked = job.request.without_content()
                    self._results.extend((asked, result) for result in job.results())
                self._jobs.remove(job)
                job.state = ending

    def _next_job(self) -> QueuedJob | None:
        with self._lock:
            if self._jobs:
                return self._jobs[0]
            self._thread = None
            return None
