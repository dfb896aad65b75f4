"""When the session of a visitor who has left is closed; `tests/trust` watches it in a running server."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from featherface.dashboard.server import sessions
from featherface.dashboard.server.sessions import AbandonedSessions


@dataclass(eq=False)
class Timer:
    call: Callable[..., object]
    arguments: tuple[Any, ...]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Visitor:
    """A visitor's browser, and the event loop of the server, on a clock of its own."""

    now: float = 0.0
    connected: bool = False
    closed_at: float | None = None
    released_at: float | None = None
    _due: list[tuple[float, int, Timer]] = field(default_factory=list)
    _order: itertools.count = field(default_factory=itertools.count)

    def call_later(self, seconds: float, call: Callable[..., object], *arguments: Any) -> Timer:
        timer = Timer(call, arguments)
        heapq.heappush(self._due, (self.now + seconds, next(self._order), timer))
        return timer

    def close(self) -> None:
        assert self.closed_at is None
        self.closed_at = self.now

    def release(self) -> None:
        self.released_at = self.now

    def wait_until(self, moment: float) -> None:
        while self._due and self._due[0][0] <= moment:
            self.now, _, timer = heapq.heappop(self._due)
            if not timer.cancelled:
                timer.call(*timer.arguments)
        self.now = moment


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> Visitor:
    visitor = Visitor()
    monkeypatch.setattr(sessions.asyncio, "get_running_loop", lambda: visitor)
    monkeypatch.setattr(sessions, "release_memory", visitor.release)
    return visitor


@pytest.fixture
def abandoned(visitor: Visitor) -> AbandonedSessions:
    return AbandonedSessions(lambda _: visitor.connected)


def test_a_session_is_closed_two_minutes_after_its_visitor_left(visitor, abandoned):
    abandoned.disconnected("session", visitor.close)
    visitor.wait_until(600)
    assert (visitor.closed_at, visitor.released_at) == (120, 150)


def test_each_absence_has_its_own_two_minutes(visitor, abandoned):
    abandoned.disconnected("session", visitor.close)
    visitor.wait_until(5)
    visitor.connected = True
    visitor.wait_until(118)
    visitor.connected = False
    abandoned.disconnected("session", visitor.close)
    visitor.wait_until(600)
    assert visitor.closed_at == 118 + 120


def test_an_absence_that_streamlit_does_not_report_is_noticed(visitor, abandoned):
    """Streamlit reports the end of a connection only when the page has run in it."""
    abandoned.disconnected("session", visitor.close)
    visitor.wait_until(5)
    visitor.connected = True
    visitor.wait_until(1000)
    assert visitor.closed_at is None
    visitor.connected = False
    visitor.wait_until(2000)
    assert 1000 + 120 <= visitor.closed_at <= 1000 + 150


def test_sessions_that_end_together_share_one_release_of_memory(visitor, abandoned, monkeypatch):
    released = []
    monkeypatch.setattr(sessions, "release_memory", lambda: released.append(visitor.now))
    for name in ("first", "second"):
        abandoned.disconnected(name, lambda: None)
    visitor.wait_until(600)
    assert released == [150]
