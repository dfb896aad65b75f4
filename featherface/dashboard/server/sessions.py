"""What a session holds ends with it, soon after its visitor has gone.

Left alone, Streamlit keeps the session of a closed page until another closes two minutes later or more, and
what it held as long as Python's garbage collector does not look.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from featherface.dashboard.server.memory_pools import release_memory
from featherface.dashboard.state.photos import PhotoFile, forget_photo, own_photos
from featherface.dashboard.state.sample_comparison import forget_annotated

__all__ = ["close_session_when_abandoned"]

_RETURN_SECONDS = 120  # a visitor whose network failed finds everything again, as Streamlit intends
_LOOK_SECONDS = 30  # between looks at one who came back: of the next end Streamlit may not tell
_TIDY_SECONDS = 30  # after a session was closed; further ones until then are tidied up with it

# Only the event loop's thread comes to these two.
_looking: dict[str, asyncio.TimerHandle] = {}  # by session, of those who left at least once
_tidying: list[asyncio.TimerHandle] = []  # at most one


@dataclass(frozen=True, eq=False)
class _Visit:
    session: str
    photos: list[PhotoFile]  # the session's own list


def close_session_when_abandoned() -> None:
    """Close this session, and drop its photos, once its visitor has been disconnected for two minutes."""
    _visit()


def _leave(visit: _Visit) -> None:
    """Start to wait for a visitor whose connection has ended; Streamlit calls this in its event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return  # the session was found as garbage, in any thread, and is closed
    _look_later(visit, _RETURN_SECONDS, here=False)


@st.cache_resource(scope="session", show_spinner=False, on_release=_leave)
def _visit() -> _Visit:
    return _Visit(get_script_run_ctx().session_id, own_photos())


def _look_later(visit: _Visit, seconds: float, *, here: bool) -> None:
    if visit.session in _looking:
        _looking[visit.session].cancel()
    _looking[visit.session] = asyncio.get_running_loop().call_later(seconds, _look, visit, here)


def _look(visit: _Visit, was_here: bool) -> None:
    """Close the session of a visitor who is away now and was away at the last look."""
    if runtime.get_instance().is_active_session(visit.session):
        _look_later(visit, _LOOK_SECONDS, here=True)
    elif was_here:
        _look_later(visit, _RETURN_SECONDS, here=False)
    else:
        _close(visit)


def _close(visit: _Visit) -> None:
    del _looking[visit.session]
    runtime.get_instance().close_session(visit.session)
    while visit.photos:
        forget_photo(visit.photos.pop())
    forget_annotated()
    if not _tidying:
        _tidying.append(asyncio.get_running_loop().call_later(_TIDY_SECONDS, _tidy))


def _tidy() -> None:
    _tidying.clear()
    release_memory()
