"""The title of a page, with a button that copies the link of the page's present state."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

__all__ = ["show_copy_link", "show_title"]

_HERE = Path(__file__).parent

_component = st.components.v2.component(
    "featherface_copy_link",
    html='<button type="button"><span role="status">Copy link</span></button>\n\n',  # two lines: no file name
    css=(_HERE / "copy_link.css").read_text(encoding="utf-8"),
    js=(_HERE / "copy_link.js").read_text(encoding="utf-8"),
)


def show_title(text: str) -> None:
    """Show the title and the button; the page's settings must be in its address."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(text)
        show_copy_link()


def show_copy_link() -> None:
    """Show the button alone."""
    _component(key="copy_link", width="content", height="content")
