"""Widgets that several pages use: badges, error messages, choices and charts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from featherface.dashboard.components.downloads import csv_button
from featherface.study.provenance import Badge

__all__ = [
    "badge_line",
    "badge_text",
    "choose_chart_format",
    "origin_badge",
    "plain",
    "required_choice",
    "show_chart",
    "show_errors",
    "whole_number",
]

_Option = TypeVar("_Option")

_CHART_FORMATS = ("PNG", "SVG")

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")
_BadgeColour = Literal["green", "blue", "orange", "violet"]
_BADGES: Mapping[Badge, tuple[str, str, _BadgeColour]] = {
    Badge.MEASURED: ("Measured", ":material/timer:", "green"),
    Badge.COUNTED: ("Counted", ":material/calculate:", "green"),
    Badge.DEFINITION: ("Definition", ":material/straighten:", "violet"),
    Badge.PUBLISHED: ("Published", ":material/article:", "blue"),
    Badge.TARGET: ("Target", ":material/flag:", "orange"),
}


def plain(text: str) -> str:
    """Escape `text`, for instance a file name, so that Markdown shows it unchanged."""
    return _MARKDOWN.sub(r"\\\1", text)


def origin_badge(origin: Badge, detail: str) -> None:
    """Show a badge for the origin of the numbers beside it.

    detail: the tooltip; when and where, or the source.
    """
    label, icon, colour = _BADGES[origin]
    st.badge(label, icon=icon, color=colour, help=plain(detail))


def badge_text(origin: Badge) -> str:
    """Return the badge as Markdown, for text and table cells."""
    label, icon, colour = _BADGES[origin]
    return f":{colour}-badge[{icon} {label}]"


def badge_line(origin: Badge, text: str) -> None:
    """Show a badge and a line of small print; in a caption the badge would fade too."""
    st.markdown(f"{badge_text(origin)} :small[:gray[{text}]]")


def show_errors(sentences: Sequence[str]) -> None:
    """Show one error message per sentence."""
    for sentence in sentences:
        st.error(plain(sentence), icon=":material/error:")


def required_choice(
    label: str, options: Sequence[_Option], default: _Option, key: str, **look: Any
) -> _Option:
    """Show a segmented control bound to the page's address and return the choice.

    look: further arguments of st.segmented_control.
    """
    chosen = st.segmented_control(
        label, options, default=default, required=True, key=key, bind="query-params", **look
    )
    return default if chosen is None else chosen  # an address can leave it empty


def whole_number(label: str, low: int, high: int, default: int, step: int, key: str, **look: Any) -> int:
    """Show a number field bound to the page's address and return its value.

    look: further arguments of st.number_input.
    """
    try:
        value = st.number_input(label, low, high, default, step, key=key, bind="query-params", **look)
    except OverflowError:  # an address with "inf", which Streamlit 1.67 does not handle
        value = st.number_input(label, low, high, default, step, key=f"{key}_instead", **look)
    return int(value)


def show_chart(
    figure: go.Figure, *, name: str, alt: str, data: pd.DataFrame | Callable[[], pd.DataFrame]
) -> None:
    """Show a chart with its toolbar and a CSV download of `data`; saved files are called `name`.

    The toolbar's camera saves the chart in the format chosen by `choose_chart_format`.
    """
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {"format": _chart_format(), "filename": name, "scale": 2},
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    }
    st.plotly_chart(figure, key=name, config=config, alt=alt)
    csv_button("Data (CSV)", data if callable(data) else lambda: data, name, key=f"{name}_csv")


def choose_chart_format() -> None:
    """Show the choice of the file format in which charts are saved; it is kept for the whole session."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.segmented_control(
            "Save charts as",
            _CHART_FORMATS,
            default=_CHART_FORMATS[0],
            required=True,
            key="chart_format",
            persist_state="session",
            help="File format of the camera icon in each chart's toolbar.",
        )


def _chart_format() -> str:
    chosen = st.session_state.get("chart_format")
    return str(chosen or _CHART_FORMATS[0]).lower()
