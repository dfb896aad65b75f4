"""Comparison with other lightweight detectors: a chart and the published numbers with their sources."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.peer_table import images_note, parameters_note, peer_table, source_table
from featherface.dashboard.components.widgets import (
    badge_line,
    badge_text,
    plain,
    required_choice,
    show_chart,
)
from featherface.reporting.evaluation_runs import Run
from featherface.reporting.figures.accuracy import peers_chart
from featherface.study.peers import OPERATIONS_NOTE, by_protocol, peers
from featherface.study.provenance import Badge

__all__ = ["show_peers"]

_MEASURES = ("easy", "medium", "hard", "mean")
_AXES = {"parameters": "Parameters", "operations": "Operations, as published"}


def show_peers(official: Sequence[Run]) -> None:
    """Show average precision by size; each input protocol has its own symbol.

    official: our own runs with the WIDER FACE subsets easy, medium and hard.
    """
    protocols = list(by_protocol(peers()))
    chosen = st.pills(
        "Input protocol",
        protocols,
        default=protocols[:1],
        selection_mode="multi",
        key="protocols",
        bind="query-params",
        help="The size at which images are evaluated. It strongly affects the result, so each protocol has "
        "its own symbol.",
    )
    across, up = st.columns(2, gap="large")
    with across:
        axis = required_choice(
            "Horizontal axis", list(_AXES), "parameters", "peer_width", format_func=str.capitalize
        )
    with up:
        measure = required_choice("Subset", _MEASURES, "hard", "peer_measure")
    rows = peer_table(official, axis, measure)
    rows = rows[rows["protocol"].isin(chosen)]
    drawn = rows.dropna(subset="x")
    if drawn.empty:
        st.caption("No values have been published for the selected protocols.")
    else:
        show_chart(
            peers_chart(drawn, _AXES[axis], f"Average precision, {measure} (%)"),
            name="peers",
            alt=f"Average precision ({measure}, %) by {axis}: "
            + "; ".join(drawn["name"] + drawn["precision"].map(" {:.1f}".format)),
            data=rows,
        )
    st.markdown(
        f":small[:gray[Grey markers:] {badge_text(Badge.PUBLISHED)}:gray[, source in the tooltip. Coloured "
        f"markers:] {badge_text(Badge.MEASURED)} :gray[here.]]"
    )
    if rows["model"].any():
        st.caption(plain(images_note(official)))
    if axis == "parameters":
        st.caption(plain(parameters_note()))
    left_out = rows[rows["x"].isna()]["name"]
    if len(left_out):
        st.caption(plain(f"Not shown, because the source does not state {axis}: {', '.join(left_out)}."))
    if len(chosen) > 1:
        st.caption(
            "Several protocols are shown. Compare published results only where the symbol is the same."
        )
    with st.expander("All published numbers and their sources", icon=":material/article:"):
        _show_sources()


def _show_sources() -> None:
    st.dataframe(
        source_table(),
        hide_index=True,
        column_config={
            "Detector": st.column_config.TextColumn(pinned=True),
            "Link": st.column_config.LinkColumn(),
            "Parameters": st.column_config.NumberColumn(format="localized"),
        },
        alt="Published average precision of lightweight face detectors with protocol and source",
    )
    badge_line(Badge.PUBLISHED, f"In percent, WIDER FACE validation set. {OPERATIONS_NOTE}")
    st.caption(plain(parameters_note()))
