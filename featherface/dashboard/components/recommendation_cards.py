"""The recommendations for each deployment scenario, one card each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.widgets import badge_line, plain
from featherface.study.recommendations import Recommendation, Support

__all__ = ["show_first_choice", "show_reason", "show_recommendations"]

_COLOURS = {
    Support.V2: "orange",
    Support.V1: "blue",
    Support.EITHER: "gray",
    Support.INCONCLUSIVE: "violet",
    Support.OPEN: "gray",
}


def show_first_choice(row: Recommendation) -> None:
    """Show the recommendation for everyday photos with the numbers that it follows from."""
    with st.container(border=True):
        show_reason(row, _heading(row) + " ")


def show_recommendations(rows: Sequence[Recommendation]) -> None:
    """Show each recommendation with the numbers that it follows from."""
    st.caption("Each recommendation is computed from the numbers below it.")
    with st.grid(2, min_column_width=290):
        for row in rows:
            with st.container(border=True, height="stretch"):
                show_reason(row, _heading(row) + "  \n")


def show_reason(row: Recommendation, heading: str = "") -> None:
    """Show why a model is recommended and the numbers behind it; `heading` is Markdown before that."""
    st.markdown(heading + plain(row.text))
    if row.numbers:
        badge_line(row.badge, "; ".join(plain(number) for number in row.numbers))


def _heading(row: Recommendation) -> str:
    return f"**{row.scenario}** :{_COLOURS[row.support]}-badge[{row.support.value}]"
