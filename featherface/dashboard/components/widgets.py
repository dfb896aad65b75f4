"""Small pieces that several pages show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from featherface.dashboard.components.downloads import csv_button
from featherface.profiling.machine import Badge

__all__ = [
    "badge_text",
    "counted_faces",
    "origin_badge",
    "plain",
    "refusals",
    "required_choice",
    "show_chart",
    "whole_number",
]

_Option = TypeVar("_Option")

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")
_BADGES = {
    Badge.MEASURED: ("Measured", ":material/timer:", "green"),
    Badge.COUNTED: ("Counted", ":material/calculate:", "green"),
    Badge.PUBLISHED: ("Published", ":material/article:", "blue"),
    Badge.TARGET: ("Target", ":material/flag:", "orange"),
}


def counted_faces(count: int) -> str:
    """Return "1 face", "2 faces" and so on."""
    return "1 face" if count == 1 else f"{count} faces"


def plain(text: str) -> str:
    """Return Markdown that shows `text`, for instance a file's name, as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def origin_badge(origin: Badge, detail: str) -> None:
    """Show where the numbers beside it come from; `detail` says when and on what machine, or which source."""
    label, icon, colour = _BADGES[origin]
    st.badge(label, icon=icon, color=colour, help=plain(detail))


def badge_text(origin: Badge) -> str:
    """Return the badge as Markdown, for labels and table cells."""
    label, icon, colour = _BADGES[origin]
    return f":{colour}-badge[{icon} {label}]"


def refusals(sentences: list[str]) -> None:
    """Show one sentence for each thing that could not be used."""
    for sentence in sentences:
        st.error(plain(sentence), icon=":material/error:")


def required_choice(
    label: str, options: Sequence[_Option], default: _Option, key: str, **look: Any
) -> _Option:
    """Show a choice that is part of the page's address; `look` goes to Streamlit's own segmented control."""
    chosen = st.segmented_control(
        label, options, default=default, required=True, key=key, bind="query-params", **look
    )
    return default if chosen is None else chosen  # an address may leave it empty for all that


def whole_number(label: str, low: int, high: int, default: int, step: int, key: str, **look: Any) -> int:
    """Show a field for a number that is part of the page's address; `look` goes to Streamlit's own field."""
    try:
        return st.number_input(label, low, high, default, step, key=key, bind="query-params", **look)
    except OverflowError:  # an address that says "inf", which Streamlit 1.67 does not expect
        return st.number_input(label, low, high, default, step, key=f"{key}_instead", **look)


def show_chart(figure: go.Figure, *, name: str, alt: str, data: pd.DataFrame) -> None:
    """Show a chart with its toolbar (PNG or SVG) and its data as CSV, in files called `name`."""
    picture = st.session_state.get("chart_format", "png")
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {"format": picture, "filename": name, "scale": 2},
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    }
    st.plotly_chart(figure, key=name, config=config, alt=alt)
    with st.container(horizontal=True):
        csv_button("Data (CSV)", lambda: data, name, key=f"{name}_csv")
        st.button(
            f"Saves {picture.upper()}",
            key=f"{name}_format",
            icon=":material/photo_camera:",
            type="tertiary",
            help="What the camera in a chart's toolbar saves. Click for the other format.",
            on_click=_other_format,
        )


def _other_format() -> None:
    before = st.session_state.get("chart_format", "png")
    st.session_state["chart_format"] = "svg" if before == "png" else "png"
