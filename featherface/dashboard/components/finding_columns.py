"""The Overview's findings: gains and losses of the study's second model, and how certain they are."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.widgets import badge_text, plain
from featherface.study.findings import Direction, Finding
from featherface.study.provenance import Badge

__all__ = ["show_findings"]

_UNDECIDED = (Direction.EVEN, Direction.INCONCLUSIVE, Direction.OPEN)


def show_findings(rows: Sequence[Finding], redesign: str) -> None:
    """Show gains, losses and certainty in three columns; `redesign` is the model they are about."""
    gains, losses, certainty = st.columns([4, 4, 5], gap="large")
    for column, title, direction in (
        (gains, f"What you gain with {redesign}", Direction.GAIN),
        (losses, f"What you lose with {redesign}", Direction.LOSS),
    ):
        column.subheader(title)
        chosen = [row for row in rows if row.direction is direction]
        column.markdown("\n".join(f"- {_sentence(row)}" for row in chosen) or "Nothing that was measured.")
    certainty.subheader("How certain is that?")
    certainty.markdown("\n".join(f"- {line}" for line in _certainty(rows)))


def _sentence(row: Finding) -> str:
    short, colon, rest = row.sentence.partition(": ")
    return f"**{plain(short)}**{plain(colon + rest)}"


def _certainty(rows: Sequence[Finding]) -> list[str]:
    """Return one line for all counts, and one for each measured finding."""
    exact = [row.name.lower() for row in rows if row.badge is Badge.COUNTED]
    names = f"{', '.join(exact[:-1])} and {exact[-1]}"
    lines = [f"{badge_text(Badge.COUNTED)} {plain(names.capitalize())} are exact on every machine."]
    for row in rows:
        if row.badge is not Badge.COUNTED:
            about = f"{_sentence(row)}." if row.direction in _UNDECIDED else f"**{row.name}**:"
            lines.append(f"{badge_text(row.badge)} {about} :small[:gray[{plain(row.certainty)}]]")
    return lines
