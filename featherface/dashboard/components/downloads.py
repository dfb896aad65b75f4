"""Download buttons whose files are made when somebody asks for them."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Timer
from typing import Any

import pandas as pd
import streamlit as st

from featherface.dashboard.server.streamlit_internals import (
    add_media,
    release_unowned_media,
    remove_orphaned_media,
)

__all__ = ["FileStore", "csv_button", "download_button"]

# Of all sessions. A browser fetches its file within a second, but a whole room may ask in the same second.
_KEPT_BYTES = 64 * 2**20
_KEPT_SECONDS = 60.0


@dataclass(frozen=True)
class _File:
    data: bytes
    name: str
    mime: str
    until: float  # seconds on the store's clock


class FileStore:
    """Keeps files in Streamlit's media storage without a session: the threads that make them have none."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = Lock()  # guards what follows
        self._files: deque[_File] = deque()  # oldest first
        self._numbers = itertools.count()
        self._timer: Timer | None = None  # of the next removal

    def add(self, data: bytes, name: str, mime: str) -> None:
        """Keep a file for one to two minutes, or until newer ones exceed the limit of bytes."""
        file = _File(data, name, mime, self._clock() + _KEPT_SECONDS)
        with self._lock:
            self._files.append(file)
            self._register(file)
            self._remove_while(lambda: file is not self._files[0] and self._bytes() > self._max_bytes)
            if self._timer is None:
                self._start_timer()

    def remove_expired(self) -> None:
        """Remove the files whose time is over."""
        with self._lock:
            self._timer = None
            self._remove_while(lambda: self._files[0].until <= self._clock())
            if self._files:
                self._start_timer()
        remove_orphaned_media()

    def _remove_while(self, superfluous: Callable[[], bool]) -> None:
        """Remove the oldest file while `superfluous`; Streamlit can only release all and take some again."""
        kept = len(self._files)
        while self._files and superfluous():
            self._files.popleft()
        if len(self._files) < kept:
            release_unowned_media()
            for file in self._files:
                self._register(file)

    def _bytes(self) -> int:
        return sum(len(file.data) for file in self._files)

    def _register(self, file: _File) -> None:
        add_media(file.data, file.mime, f"download {next(self._numbers)}", download_name=file.name)

    def _start_timer(self) -> None:
        self._timer = Timer(_KEPT_SECONDS, self.remove_expired)
        self._timer.daemon = True
        self._timer.start()


_store = FileStore(_KEPT_BYTES)


def download_button(label: str, make: Callable[[], str | bytes], name: str, mime: str, **look: Any) -> None:
    """Show a button that downloads what `make` returns as file `name`; `look` goes to st.download_button.

    Streamlit drops a file made on request once two script runs of any session have ended, so with many
    visitors it is gone before the browser fetches it. Here it is kept for a minute, the newest 64 MiB in all.
    If `make` raises a FeatherFaceError, the browser shows its sentence below the button.
    """

    def make_and_keep() -> bytes:
        made = make()
        data = made.encode() if isinstance(made, str) else made
        _store.add(data, name, mime)
        return data

    st.download_button(label, make_and_keep, name, mime, on_click="ignore", **look)


def csv_button(label: str, table: Callable[[], pd.DataFrame], name: str, *, key: str | None = None) -> None:
    """Show an unobtrusive button that downloads what `table` returns, without its index, as `name`.csv."""
    download_button(
        label,
        lambda: table().to_csv(index=False),
        f"{name}.csv",
        "text/csv",
        key=key,
        icon=":material/download:",
        type="tertiary",
    )
