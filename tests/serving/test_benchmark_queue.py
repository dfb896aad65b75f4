"""One benchmark at a time, in order of asking, and what was measured is kept."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from featherface.checkpoints.detector_files import inspect_detector
from featherface.models import YUNET
from featherface.profiling.latency import LatencyResult, LatencySettings, Progress
from featherface.profiling.machine import now, this_machine
from featherface.serving import benchmark_queue as benchmarks
from featherface.serving.benchmark_queue import BenchmarkBusyError, BenchmarkQueue, BenchmarkRequest
from tests.detector_models import yunet_model

PATIENCE = 30  # seconds, for a thread to end
HOUR = 3600  # seconds, after which nobody can be waiting


class Bench:
    """Stands for the benchmark: does a round whenever `permits` has one, and fails when told to."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)  # one for each round begun, the ones before it being reported
        self.failing = False
        self.most_at_once = self._at_once = 0
        self.points: list[LatencySettings] = []  # measured, in order

    def __call__(
        self, _: object, points: Sequence[LatencySettings], photo: bytes | None, detectors: object
    ) -> Iterator[Progress]:
        (point,) = points
        self.points.append(point)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        for done in range(1, point.runs + 1):
            self.begun.release()
            self.permits.acquire()
            if self.failing:
                raise RuntimeError("out of memory")
            times = {key: {"network": (1.0,) * done} for key in ("v1", "v2")}
            result = LatencyResult(point, this_machine(), now(), times, 1.0, done == point.runs)
            yield Progress(done, point.runs, 0.0, (result,))
        self._at_once -= 1


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    fake = Bench()
    monkeypatch.setattr(benchmarks, "benchmark", fake)
    yield fake
    fake.permits.release(1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of the queue; it stands still until a test moves it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(benchmarks, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def queue(bench: Bench) -> BenchmarkQueue:
    return BenchmarkQueue(dict)


def request(runs: int) -> BenchmarkRequest:
    return BenchmarkRequest((LatencySettings(runs=runs),))


def finish(queue: BenchmarkQueue, bench: Bench) -> None:
    bench.permits.release(1000)
    assert queue.wait(PATIENCE)


def test_jobs_run_in_order_and_their_results_are_kept(queue, bench):
    first, second = queue.submit(request(3)), queue.submit(request(4))
    assert queue.jobs() == (first, second)
    assert second.state == "waiting"

    finish(queue, bench)

    assert [result.settings.runs for _, result in queue.results()] == [3, 4]
    assert (first.state, second.state, queue.jobs()) == ("finished", "finished", ())
    assert queue.latest(LatencySettings(runs=4)).rounds == 4


def test_results_do_not_keep_uploaded_files(queue, bench):
    uploaded = inspect_detector(Path("own.onnx"), yunet_model())
    queue.submit(BenchmarkRequest((LatencySettings(runs=3),), models=(YUNET,), files=(uploaded,)))
    finish(queue, bench)

    ((asked, _),) = queue.results()
    assert [(file.path.name, file.content) for file in asked.files] == [("own.onnx", None)]


def test_the_same_request_is_measured_once(queue, bench):
    assert queue.submit(request(3)) is queue.submit(request(3))
    finish(queue, bench)


def test_a_stopping_job_is_not_handed_out(queue, bench):
    stopping = queue.submit(request(3))
    bench.begun.acquire()
    stopping.stop()
    again = queue.submit(request(3))
    assert again is not stopping
    finish(queue, bench)

    assert (stopping.state, again.state) == ("stopped", "finished")


def test_a_job_given_up_for_want_of_watchers_is_not_handed_out(queue, bench, clock):
    left = queue.submit(request(50))
    bench.begun.acquire()
    clock.now += HOUR
    bench.permits.release()
    assert queue.wait(PATIENCE)
    again = queue.submit(request(50))
    finish(queue, bench)

    assert (left.state, again.state) == ("stopped", "finished")
    assert again is not left


class InterruptedLock:
    """A lock that calls `after_release` in the thread that has just released it."""

    after_release: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        InterruptedLock.after_release()


@pytest.mark.parametrize("moment", range(1, 7))  # the releases of any lock by the thread of a job of 3 rounds
def test_a_job_submitted_at_any_moment_of_another_runs_once(bench, monkeypatch, moment):
    """A job that came between the end of the last one and the end of its thread once ran in two threads."""
    workers: list[threading.Thread] = []
    releases, submitted, went_on = itertools.count(1), threading.Event(), threading.Event()

    def after_release() -> None:
        thread = threading.current_thread()
        if thread.name != "benchmark" or workers[:1] not in ([], [thread]):
            return
        workers.append(thread)
        number = next(releases)
        if number == moment:
            queue.submit(request(4))
            submitted.set()
        elif number == moment + 1:
            went_on.set()

    monkeypatch.setattr(benchmarks, "Lock", InterruptedLock)
    monkeypatch.setattr(InterruptedLock, "after_release", staticmethod(after_release))
    queue = BenchmarkQueue(dict)
    bench.permits.release(3)
    first = queue.submit(request(3))
    assert submitted.wait(PATIENCE)
    while workers[0].is_alive() and not went_on.wait(0.01):
        pass  # the second job must not end before the first one's thread has looked for more
    finish(queue, bench)

    assert first.state == "finished"
    assert [point.runs for point in bench.points] == [3, 4]
    assert bench.most_at_once == 1


def test_a_stopped_job_keeps_its_rounds_but_is_not_complete(queue, bench):
    job = queue.submit(request(50))
    bench.permits.release(3)
    for _ in range(4):
        bench.begun.acquire()
    job.stop()
    finish(queue, bench)

    assert job.state == "stopped"
    assert job.results()[0].rounds == 4  # the round at work is finished
    assert queue.latest(LatencySettings(runs=50)) is None


def test_a_job_that_nobody_watches_is_stopped(queue, bench, clock):
    watched, unwatched = queue.submit(request(3)), queue.submit(request(4))
    bench.begun.acquire()
    clock.now += HOUR
    watched.watch()
    finish(queue, bench)

    assert (watched.state, unwatched.state) == ("finished", "stopped")


def test_a_failure_ends_the_job_and_not_the_queue(queue, bench):
    bench.failing = True
    failed = queue.submit(request(3))
    finish(queue, bench)
    bench.failing = False
    again = queue.submit(request(3))
    finish(queue, bench)

    assert (failed.state, again.state) == ("failed", "finished")


def test_a_full_queue_says_so(queue, bench):
    taken = [queue.submit(request(3 + number)) for number in range(8)]
    with pytest.raises(BenchmarkBusyError, match="8 benchmarks are already queued; try again"):
        queue.submit(request(40))
    assert queue.submit(request(3)) is taken[0]
    finish(queue, bench)
