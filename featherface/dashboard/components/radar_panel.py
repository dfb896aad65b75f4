"""The radar chart of the models and how each axis is computed."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from featherface.dashboard.components.widgets import show_chart
from featherface.models import MODELS
from featherface.reporting.figures.radar_chart import MIN_RADAR_AXES, radar_chart
from featherface.study.radar import Radar

__all__ = ["show_radar"]


def show_radar(found: Radar, ratio_name: str) -> None:
    """Show the measured axes and every axis's formula; `ratio_name` is the heading of the ratio column."""
    table = _table(found, ratio_name)
    if len(found.axes) >= MIN_RADAR_AXES:
        summary = "; ".join(f"{axis.name}: {_scores_text(axis.scores)}" for axis in found.axes)
        show_chart(radar_chart(found), name="radar", alt=f"Radar chart of the models. {summary}", data=table)
    for axis in found.missing:
        st.caption(f"{axis.name} is not shown: it needs {axis.needs}.")
    with st.expander("How each axis is computed", icon=":material/function:"):
        st.table(
            table,
            border="horizontal",
            hide_index=True,
            alt="Formula and score of each axis of the radar chart",
        )
        st.caption("Further out is better. The better model scores 1; for accuracy, 1 is a perfect detector.")


def _scores_text(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{MODELS[key].short_name} {score:.2f}" for key, score in scores.items())


def _table(found: Radar, ratio_name: str) -> pd.DataFrame:
    rows = [
        {
            "Axis": axis.name,
            "Formula": axis.formula,
            **{MODELS[key].short_name: f"{score:.3f}" for key, score in axis.scores.items()},
            ratio_name: f"{axis.ratio:.2f}",
        }
        for axis in found.axes
    ]
    rows += [{"Axis": axis.name, "Formula": f"{axis.formula} (not measured yet)"} for axis in found.missing]
    return pd.DataFrame(rows).fillna("")
