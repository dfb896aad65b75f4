"""The input size of the pages that count; it is part of their address, and the same for all of them."""

from __future__ import annotations

import streamlit as st

from featherface.config import DEFAULT_SIDE, MIN_SIDE, SIDE_RANGE
from featherface.dashboard.components.widgets import whole_number

__all__ = ["choose_input_size", "size_words"]


def choose_input_size() -> tuple[int, int]:
    """Show the two fields and return height and width in pixels."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        width, height = (
            whole_number(
                label,
                MIN_SIDE,
                SIDE_RANGE[1],
                DEFAULT_SIDE,
                32,
                key,
                width=170,
                help="Of the picture that a network is given. The study compares at 640 × 640.",
            )
            for label, key in (("Input width, pixels", "width"), ("Input height, pixels", "height"))
        )
    return height, width


def size_words(height: int, width: int) -> str:
    """Return a size as people write it, width first."""
    return f"{width} × {height} pixels"
