"""When the session of a visitor who has gone is closed; `tests/trust` sees it happen in a running server."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from featherface.dashboard.server import sessions


@dataclass(eq=False)
class Timer:
    call: Callable[..., object]
    arguments: tuple[Any, ...]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Clock:
    """An event loop and a server in one, on a clock of its own."""

    now: float = 0.0
    here: bool = False
    closed_at: float | None = None
    _due: list[tuple[float, int, Timer]] = field(default_factory=list)
    _order: itertools.count = field(default_factory=itertools.count)

    def call_later(self, seconds: float, call: Callable[..., object], *arguments: Any) -> Timer:
        timer = Timer(call, arguments)
        heapq.heappush(self._due, (self.now + seconds, next(self._order), timer))
        return timer

    def is_active_session(self, session: str) -> bool:
        return self.here

    def close_session(self, session: str) -> None:
        assert self.closed_at is None
        self.closed_at = self.now

    def pass_until(self, moment: float) -> None:
        while self._due and self._due[0][0] <= moment:
            self.now, _, timer = heapq.heappop(self._due)
            if not timer.cancelled:
                timer.call(*timer.arguments)
        self.now = moment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sessions.asyncio, "get_running_loop", lambda: clock)
    monkeypatch.setattr(sessions.runtime, "get_instance", lambda: clock)
    monkeypatch.setattr(sessions, "tidy", lambda: None)
    monkeypatch.setattr(sessions, "_looking", {})
    return clock


VISIT = sessions._Visit("session", [])


def test_a_visitor_who_stays_away_is_forgotten_after_two_minutes(clock):
    sessions._leave(VISIT)
    clock.pass_until(600)
    assert clock.closed_at == 120


def test_each_absence_is_given_its_own_two_minutes(clock):
    sessions._leave(VISIT)
    clock.pass_until(5)
    clock.here = True
    clock.pass_until(118)
    clock.here = False
    sessions._leave(VISIT)
    clock.pass_until(600)
    assert clock.closed_at == 118 + 120


def test_a_visitor_who_came_back_without_a_run_is_forgotten_too(clock):
    """Streamlit tells of the end of a connection only when the page has run in it."""
    sessions._leave(VISIT)
    clock.pass_until(5)
    clock.here = True
    clock.pass_until(1000)
    assert clock.closed_at is None
    clock.here = False
    clock.pass_until(2000)
    assert 1000 + 120 <= clock.closed_at <= 1000 + 150
