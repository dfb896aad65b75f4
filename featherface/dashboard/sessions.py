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

from featherface.dashboard.memory import tidy
from featherface.dashboard.photos import PhotoFile, forget_photo, own_photos
from featherface.dashboard.sample import forget_annotated

__all__ = ["attend"]

_RETURN_SECONDS = 120  # a visitor whose network failed finds everything again, as Streamlit intends
_TIDY_SECONDS = 30  # after a session was closed; further ones until then are tidied up with it

_tidying: list[asyncio.TimerHandle] = []  # at most one; only the event loop's thread comes here


@dataclass(frozen=True, eq=False)
class _Visit:
    session: str
    photos: list[PhotoFile]  # the session's own list


def attend() -> None:
    """Have this session closed, and its photos forgotten, once its visitor has been gone for two minutes."""
    _visit()


def _leave(visit: _Visit) -> None:
    """Start to wait for a visitor whose connection has ended; Streamlit calls this in its event loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return  # the session was found as garbage, in any thread, and is closed
    loop.call_later(_RETURN_SECONDS, _close, visit)


@st.cache_resource(scope="session", show_spinner=False, on_release=_leave)
def _visit() -> _Visit:
    return _Visit(get_script_run_ctx().session_id, own_photos())


def _close(visit: _Visit) -> None:
    server = runtime.get_instance()
    if server.is_active_session(visit.session):
        return  # the visitor came back
    server.close_session(visit.session)
    while visit.photos:
        forget_photo(visit.photos.pop())
    forget_annotated()
    if not _tidying:
        _tidying.append(asyncio.get_running_loop().call_later(_TIDY_SECONDS, _tidy))


def _tidy() -> None:
    _tidying.clear()
    tidy()
