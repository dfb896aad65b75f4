"""Closing the sessions of visitors who have left, and freeing what they held.

By default Streamlit keeps the session of a closed page until another page is closed, two minutes later or
more, and the memory stays in use until Python's garbage collector runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from featherface.dashboard.server.memory_pools import release_memory
from featherface.dashboard.server.streamlit_internals import (
    close_session,
    current_session_id,
    is_session_connected,
)
from featherface.dashboard.state.photos import PhotoFile, forget_photo, own_photos
from featherface.dashboard.state.sample_comparison import forget_annotated

__all__ = ["AbandonedSessions", "abandoned_sessions", "close_session_when_abandoned"]


class AbandonedSessions:
    """Closes sessions whose visitor has been disconnected for some time. Used in one event loop alone."""

    def __init__(
        self,
        is_connected: Callable[[str], bool] = is_session_connected,
        *,
        return_seconds: float = 120,
        check_seconds: float = 30,
        release_seconds: float = 30,
    ) -> None:
        """Set the waiting times.

        return_seconds: for a visitor whose network failed, who finds everything again within this time.
        check_seconds: between checks of a visitor who came back, as Streamlit may not report the next
        absence. release_seconds: from the end of a session to the release of memory, which sessions that end
        meanwhile share.
        """
        self._is_connected = is_connected
        self._return_seconds = return_seconds
        self._check_seconds = check_seconds
        self._release_seconds = release_seconds
        self._checks: dict[str, asyncio.TimerHandle] = {}  # by session, of visitors who left at least once
        self._release: asyncio.TimerHandle | None = None

    def disconnected(self, session: str, close: Callable[[], None]) -> None:
        """Call `close` unless the visitor of a session, whose connection has ended, comes back in time."""
        self._check_later(self._return_seconds, session, close, was_connected=False)

    def _check_later(
        self, seconds: float, session: str, close: Callable[[], None], *, was_connected: bool
    ) -> None:
        if session in self._checks:
            self._checks[session].cancel()
        loop = asyncio.get_running_loop()
        self._checks[session] = loop.call_later(seconds, self._check, session, close, was_connected)

    def _check(self, session: str, close: Callable[[], None], was_connected: bool) -> None:
        """Close the session of a visitor who is absent now and was absent at the last check."""
        if self._is_connected(session):
            self._check_later(self._check_seconds, session, close, was_connected=True)
        elif was_connected:
            self._check_later(self._return_seconds, session, close, was_connected=False)
        else:
            del self._checks[session]
            close()
            self._release_memory_later()

    def _release_memory_later(self) -> None:
        if self._release is None:
            self._release = asyncio.get_running_loop().call_later(self._release_seconds, self._release_now)

    def _release_now(self) -> None:
        self._release = None
        release_memory()


abandoned_sessions = AbandonedSessions()


@dataclass(frozen=True, eq=False)
class _Visit:
    session: str
    photos: list[PhotoFile]  # the session's own list


def close_session_when_abandoned() -> None:
    """Close this session, and drop its photos, once its visitor has been disconnected for two minutes."""
    _visit()


def _on_disconnect(visit: _Visit) -> None:
    """Start to wait for a visitor; Streamlit calls this in its event loop when a connection has ended."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return  # the session was collected as garbage, in any thread, and is already closed
    abandoned_sessions.disconnected(visit.session, lambda: _close(visit))


@st.cache_resource(scope="session", show_spinner=False, on_release=_on_disconnect)
def _visit() -> _Visit:
    return _Visit(current_session_id(), own_photos())


def _close(visit: _Visit) -> None:
    close_session(visit.session)
    while visit.photos:
        forget_photo(visit.photos.pop())
    forget_annotated()
