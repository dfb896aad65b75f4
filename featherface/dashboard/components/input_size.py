"""The input size, shared by the pages that count; it is part of their address."""

from __future__ import annotations

import streamlit as st

from featherface.config import DEFAULT_INPUT_SIZE, INPUT_SIZE_RANGE, MIN_INPUT_SIZE
from featherface.dashboard.components.widgets import whole_number

__all__ = ["choose_input_size", "size_text"]


def choose_input_size() -> tuple[int, int]:
    """Show the two number fields and return height and width in pixels."""
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        width, height = (
            whole_number(
                label,
                MIN_INPUT_SIZE,
                INPUT_SIZE_RANGE[1],
                DEFAULT_INPUT_SIZE,
                32,
                key,
                width=170,
                help="Size of the network input. The study uses 640 × 640.",
            )
            for label, key in (("Input width (px)", "width"), ("Input height (px)", "height"))
        )
    return height, width


def size_text(height: int, width: int) -> str:
    """Return a size in pixels, width first."""
    return f"{width} × {height} pixels"
