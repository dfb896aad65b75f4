"""Files that are made when somebody asks for them."""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Timer
from typing import Any

import pandas as pd
import streamlit as st
from streamlit import runtime

__all__ = ["csv_button", "download_button"]

# Of all sessions; a browser fetches its file within a second, but a whole room may ask in the same one.
_KEPT_BYTES = 64 * 2**20
_KEPT_SECONDS = 60.0
# Files are made in threads that belong to no session, of which Streamlit would warn each time.
logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)


@dataclass(frozen=True)
class _File:
    data: bytes
    name: str
    mime: str
    until: float  # time.monotonic()


class _Shelf:
    """Files held in Streamlit's store under no session: the threads that make them belong to none."""

    def __init__(self) -> None:
        self._lock = Lock()  # guards what follows
        self._files: deque[_File] = deque()  # oldest first
        self._numbers = itertools.count()
        self._sweep: Timer | None = None  # the next one

    def put(self, data: bytes, name: str, mime: str) -> None:
        """Hold a file for a minute or two, or until newer ones need its place."""
        file = _File(data, name, mime, time.monotonic() + _KEPT_SECONDS)
        with self._lock:
            self._files.append(file)
            self._hold(file)
            self._drop_while(lambda: file is not self._files[0] and self._bytes() > _KEPT_BYTES)
            if self._sweep is None:
                self._sweep_later()

    def sweep(self) -> None:
        """Drop the files whose minute is over."""
        with self._lock:
            self._sweep = None
            self._drop_while(lambda: self._files[0].until <= time.monotonic())
            if self._files:
                self._sweep_later()
        for _ in range(2):  # the first only marks what was made for saving
            runtime.get_instance().media_file_mgr.remove_orphaned_files()

    def _drop_while(self, needless: Callable[[], bool]) -> None:
        held = len(self._files)
        while self._files and needless():
            self._files.popleft()
        if len(self._files) < held:
            runtime.get_instance().media_file_mgr.clear_session_refs()
            for file in self._files:
                self._hold(file)

    def _bytes(self) -> int:
        return sum(len(file.data) for file in self._files)

    def _hold(self, file: _File) -> None:
        runtime.get_instance().media_file_mgr.add(
            file.data, file.mime, f"download {next(self._numbers)}", file.name, is_for_static_download=True
        )

    def _sweep_later(self) -> None:
        self._sweep = Timer(_KEPT_SECONDS, self.sweep)
        self._sweep.daemon = True
        self._sweep.start()


_shelf = _Shelf()


def download_button(label: str, make: Callable[[], str | bytes], name: str, mime: str, **look: Any) -> None:
    """Show a button that saves what `make` returns as file `name`; `look` goes to Streamlit's own button.

    Streamlit drops a file made on demand once two runs of anybody's page have ended since, so that among many
    visitors it is gone before the browser asks for it. Here it stays for a minute, the latest 64 MB of all.
    """

    def made() -> bytes:
        found = make()
        data = found.encode() if isinstance(found, str) else found
        _shelf.put(data, name, mime)
        return data

    st.download_button(label, made, name, mime, on_click="ignore", **look)


def csv_button(label: str, table: Callable[[], pd.DataFrame], name: str, *, key: str | None = None) -> None:
    """Show a quiet button that saves what `table` returns, without its index, as file `name`.csv."""
    download_button(
        label,
        lambda: table().to_csv(index=False),
        f"{name}.csv",
        "text/csv",
        key=key,
        icon=":material/download:",
        type="tertiary",
    )
