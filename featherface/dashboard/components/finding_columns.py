"""The Overview's findings: where the second model of the study wins, where it loses, what is inconclusive."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.widgets import plain
from featherface.study.findings import Direction, Finding

__all__ = ["show_findings"]


def show_findings(rows: Sequence[Finding], winner: str) -> None:
    """Show the findings in three columns; `winner` is the short name of the model they are about."""
    aspects = {
        f"Where {winner} wins": (Direction.GAIN,),
        f"Where {winner} loses": (Direction.LOSS,),
        "Inconclusive": (Direction.EVEN, Direction.INCONCLUSIVE, Direction.OPEN),
    }
    for column, (title, directions) in zip(st.columns(3, gap="large"), aspects.items(), strict=True):
        chosen = [row for row in rows if row.direction in directions]
        column.subheader(title)
        if not chosen:
            column.caption("None.")
        for row in chosen:
            column.markdown(_finding_text(row))


def _finding_text(row: Finding) -> str:
    short, colon, rest = row.sentence.partition(": ")
    return f"**{plain(short)}**{plain(colon + rest)}.  \n:small[:gray[{plain(row.certainty)}]]"
