"""Who may run a live session: tokens handed out by pages, and a bounded number of sessions at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from threading import Lock

from cachetools import TTLCache

__all__ = ["LiveSlots", "LiveTokens"]

_TOKEN_HOURS = 12
_MAX_TOKENS = 4_096
_MAX_SESSIONS = 2  # each keeps one core busy with two models
_MAX_WAITING = 16


class LiveTokens:
    """Secrets that let a page's browser open a live connection; every method is thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._issued: TTLCache[str, None] = TTLCache(_MAX_TOKENS, ttl=3600 * _TOKEN_HOURS)

    def issue(self) -> str:
        """Return a new token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._issued[token] = None
        return token

    def valid(self, token: str) -> bool:
        """Return whether `token` was issued here and has not expired."""
        with self._lock:
            return token in self._issued


class LiveSlots:
    """At most `limit` live sessions at once; others wait in order. For one event loop."""

    def __init__(self, limit: int = _MAX_SESSIONS, max_waiting: int = _MAX_WAITING) -> None:
        self._limit = limit
        self._most = limit + max_waiting
        self._tickets: list[object] = []  # in order of arrival; the first `limit` are in use
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self, on_wait: Callable[[int], Awaitable[None]]) -> AsyncIterator[bool]:
        """Hold a slot; `on_wait` is told each new position in the queue, 1 being the next.

        Yields False at once, without a slot, where too many wait already.
        """
        if len(self._tickets) >= self._most:
            yield False
            return
        ticket = object()
        self._tickets.append(ticket)
        try:
            await self._wait_for_turn(ticket, on_wait)
            yield True
        finally:
            self._tickets.remove(ticket)
            async with self._changed:
                self._changed.notify_all()

    async def _wait_for_turn(self, ticket: object, on_wait: Callable[[int], Awaitable[None]]) -> None:
        position = None
        while position != 0:
            async with self._changed:  # looked at in here: a change while `on_wait` ran is seen too
                while (current := self._position(ticket)) == position:
                    await self._changed.wait()
            position = current
            if position > 0:
                await on_wait(position)

    def _position(self, ticket: object) -> int:
        return max(0, self._tickets.index(ticket) - self._limit + 1)
