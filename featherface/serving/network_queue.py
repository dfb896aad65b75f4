"""The threads in which networks run, and the queue in front of them.

Each pass runs on one core. A second core for the same pass saves a sixth of the time on an idle two-core
machine (V1 at 640 x 640: 84 instead of 98 ms), but when the cores have other work, the two threads wait for
each other: 1,700 to 3,100 ms.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from featherface.errors import FeatherFaceError

__all__ = ["NetworkQueue", "OnWait", "ServiceBusyError", "retry_while_busy"]

_WORKERS = min(4, os.cpu_count() or 1)  # passes at once; each takes up to 0.7 GB (V1, 50-megapixel photo)
_MAX_WAITING = 32  # passes; the last of them starts within a few seconds
_NICENESS = 5  # added to that of the process
_RETRY_SECONDS = 2.0  # between attempts while the queue is full

_Result = TypeVar("_Result")
OnWait = Callable[[int], None]  # called with the position in the queue each time it changes; 1 is next


class ServiceBusyError(FeatherFaceError):
    """The queue is full; `position` is the place that one more would have had, 1 being the next."""

    def __init__(self, position: int) -> None:
        super().__init__(f"All models are busy (queue position {position}). Try again in a few seconds.")
        self.position = position


class NetworkQueue:
    """A first-in, first-out queue for passes of networks, with a fixed number of threads."""

    def __init__(self, workers: int = _WORKERS, max_waiting: int = _MAX_WAITING) -> None:
        self._workers = workers
        self._limit = workers + max_waiting
        self._changed = threading.Condition()
        self._tickets: list[object] = []  # in order of arrival; the first `workers` may run
        self._threads = ThreadPoolExecutor(workers, "network", initializer=_prepare_thread)

    def run(self, work: Callable[[], _Result], on_wait: OnWait | None = None) -> _Result:
        """Wait for a free thread, run `work` in it, and return its result.

        `on_wait` is called in the caller's thread. `work` must not queue further work. Raises
        ServiceBusyError when the queue is full, and whatever `work` raises.
        """
        ticket = object()
        with self._changed:
            if len(self._tickets) >= self._limit:
                raise ServiceBusyError(self._position(len(self._tickets)))
            self._tickets.append(ticket)
        try:
            self._wait_for_turn(ticket, on_wait)
            return self._threads.submit(work).result()
        finally:  # also when a session ends while it waits
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()

    def _wait_for_turn(self, ticket: object, on_wait: OnWait | None) -> None:
        position = None
        while position != 0:
            with self._changed:
                while (current := self._position(self._tickets.index(ticket))) == position:
                    self._changed.wait()
            position = current
            if position > 0 and on_wait is not None:
                on_wait(position)

    def _position(self, index: int) -> int:
        """Return the place among those that wait, 1 being the next, or 0 for a pass that may run."""
        return max(0, index - self._workers + 1)


def retry_while_busy(work: Callable[[], _Result], pause: Callable[[float], bool]) -> _Result:
    """Return the result of `work`, which is called again while the queue is full: for one pass of many.

    `pause` waits for the given number of seconds between attempts and returns whether to go on; if it returns
    False, the last ServiceBusyError is raised.
    """
    while True:
        try:
            return work()
        except ServiceBusyError:
            if not pause(_RETRY_SECONDS):
                raise


def _prepare_thread() -> None:
    """Let this thread's networks use one core, at a lower priority than the threads that draw pages."""
    torch.set_num_threads(1)
    if sys.platform == "linux":  # other systems have no priority per thread
        os.nice(_NICENESS)
