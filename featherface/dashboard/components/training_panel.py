"""The training curves of one stage of one model: loss and average precision."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from featherface.dashboard.components.widgets import badge_line, show_chart
from featherface.models import MODELS
from featherface.reporting.figures.training_log import losses_chart, scores_chart
from featherface.reporting.wording import when_text
from featherface.study.provenance import Badge
from featherface.study.results import TrainingLog

__all__ = ["show_training"]


def show_training(logs: Sequence[TrainingLog]) -> None:
    """Show losses and development scores of the chosen stage."""
    if not logs:
        st.caption("There are no training logs for the current weights.")
        return
    stages = {f"{MODELS[log.model].name}: {log.stage}": log for log in logs}
    log = stages[st.selectbox("Stage", list(stages), key="training_log", width=360, bind="query-params")]
    name = MODELS[log.model].name
    last = log.losses.iloc[-1]
    badge_line(Badge.MEASURED, f"During training, last entry {_date_text(last)}.")
    losses, scores = st.columns(2, gap="large") if log.scores is not None else (st.container(), None)
    with losses:
        st.subheader("Loss")
        show_chart(
            losses_chart(log),
            name="training_losses",
            alt=f"Training loss of {name}: {last['mean']:.3g} after {last['step']:,.0f} steps",
            data=log.losses,
        )
    if scores is not None and log.scores is not None:
        with scores:
            st.subheader("Average precision during training")
            best = log.scores.drop(columns="step").mean(axis=1).max()
            show_chart(
                scores_chart(log.model, log.scores),
                name="training_scores",
                alt=f"Average precision of {name} during training; best mean {best:.3f}",
                data=log.scores,
            )


def _date_text(row: pd.Series) -> str:
    return when_text(row["time"]) if isinstance(row.get("time"), str) else "date unknown"
