"""Files that are made when somebody asks for them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from threading import Lock, Timer
from typing import Any

import pandas as pd
import streamlit as st
from streamlit import runtime

__all__ = ["csv_button", "download_button"]

# Files of all sessions; a browser fetches its own within a second, but a whole room may ask in the same one.
_KEPT_SMALL = 128
_KEPT_LARGE = 8
_LARGE = 1_000_000  # bytes
_KEPT_SECONDS = 60.0
_NUMBERS = {"small": itertools.count(), "large": itertools.count()}
_LOCK = Lock()
# Files are made in threads that belong to no session, of which Streamlit would warn each time.
logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
_forgetting: list[Timer] = []  # at most one, guarded by _LOCK


def download_button(label: str, make: Callable[[], str | bytes], name: str, mime: str, **look: Any) -> None:
    """Show a button that saves what `make` returns as file `name`; `look` goes to Streamlit's own button.

    Streamlit drops a file made on demand once two runs of anybody's page have ended since, so that among many
    visitors it is gone before the browser asks for it. Here the latest few stay for a minute.
    """

    def made() -> bytes:
        found = make()
        data = found.encode() if isinstance(found, str) else found
        _keep(data, name, mime)
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


def _keep(data: bytes, name: str, mime: str) -> None:
    """Hold a file in Streamlit's store under no session: the thread that makes files belongs to none."""
    files = runtime.get_instance().media_file_mgr
    size, kept = ("large", _KEPT_LARGE) if len(data) > _LARGE else ("small", _KEPT_SMALL)
    with _LOCK:
        place = f"{size} download {next(_NUMBERS[size]) % kept}"
        files.add(data, mime, place, name, is_for_static_download=True)
        while _forgetting:
            _forgetting.pop().cancel()
        _forgetting.append(Timer(_KEPT_SECONDS, files.clear_session_refs))
        _forgetting[0].daemon = True
        _forgetting[0].start()
