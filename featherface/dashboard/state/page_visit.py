"""Whether a page has just been opened, or runs again for a visitor who has stayed on it."""

from __future__ import annotations

import streamlit as st

__all__ = ["has_just_opened", "note_page"]


def note_page(path: str) -> None:
    """Note which page this run shows; called once per run, before the page."""
    visit = st.session_state.get("page_visit")
    st.session_state["page_visit"] = (path, visit is None or visit[0] != path)


def has_just_opened() -> bool:
    """Return whether the visitor came to this page with this run."""
    visit = st.session_state.get("page_visit")
    return bool(visit and visit[1])
