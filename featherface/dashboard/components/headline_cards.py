"""The Overview's headline numbers, one card each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.widgets import origin_badge, plain
from featherface.reporting.wording import change_text, origin_text, value_pair
from featherface.study.headlines import Headline

__all__ = ["show_headlines"]


def show_headlines(rows: Sequence[Headline]) -> None:
    """Show each number with its change from the first model to the second, its origin and its certainty."""
    with st.grid(5, min_column_width=190):
        for row in rows:
            known = next((quantity for quantity in row.values.values() if quantity is not None), None)
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.metric(
                    row.name,
                    value_pair(row) if known else "not measured yet",
                    change_text(row),
                    delta_color="normal" if row.more_is_better else "inverse",
                )
                if known:
                    st.space("stretch")
                    origin_badge(known.badge, origin_text(row))
                    st.caption(plain(row.certainty or "No confidence interval"))
