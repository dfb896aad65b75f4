"""One entry in the browser's history per choice, so that its Back button takes back the latest one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

__all__ = ["keep_choices_in_history"]

_component = st.components.v2.component(
    "featherface_address_history",
    html="<span></span>\n\n",  # Streamlit takes a string of one line for the name of a file
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def keep_choices_in_history() -> None:
    """Add an entry to the browser's history for each setting in the address that a person changes.

    Streamlit replaces the address when a control changes, and then Back would leave the page. Going back
    restores the controls from the address, which Streamlit does by itself.
    """
    _component(key="address_history")
