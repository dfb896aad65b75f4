"""The claims audit: each claim of the study with its verdict and the number behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.widgets import badge_text, plain
from featherface.study.claims import RECIPE, AuditRow, Verdict
from featherface.study.provenance import Badge
from featherface.study.recomputation import CLAIM_COMMANDS

__all__ = ["show_claims"]

_COLOURS = {
    Verdict.HOLDS: "green",
    Verdict.OFF: "orange",
    Verdict.WRONG: "red",
    Verdict.INCONCLUSIVE: "violet",
    Verdict.NOT_MEASURED: "gray",
}


def show_claims(rows: Sequence[AuditRow]) -> None:
    """Show the claims, filtered by verdict, with a CSV download."""
    quotes = {row.claim.quote for row in rows}
    st.caption(
        f"The study's notebook states {len(quotes)} numbers. Each verdict is computed from our own result, "
        "its confidence interval and the rounding of the claim. “Off” means a deviation of up to 10% of "
        "the claim. Latency is that of the Overview's latest benchmark."
    )
    counts = Counter(row.verdict for row in rows)
    verdicts = [verdict for verdict in Verdict if counts[verdict]]
    st.markdown(" ".join(f"{_verdict_badge(verdict)} {counts[verdict]}" for verdict in verdicts))
    chosen = st.pills(
        "Filter by verdict", verdicts, selection_mode="multi", key="verdicts", bind="query-params"
    )
    shown = [row for row in rows if not chosen or row.verdict in chosen]
    st.table(
        pd.DataFrame(
            {"Claim": [_claim_text(row) for row in shown], "Result": [_result_text(row) for row in shown]}
        ),
        border="horizontal",
        hide_index=True,
        alt="Claims of the study, each with its verdict, our result and how it was obtained",
    )
    csv_button(
        "Claims (CSV)", lambda: pd.DataFrame([row.as_record() for row in rows]), "claims", key="claims_csv"
    )
    with st.expander("Settings recommended by the study (not verifiable)", icon=":material/tune:"):
        for row in RECIPE:
            st.markdown(f"- {plain(row.setting)} :small[({plain(row.where)})]")


def _verdict_badge(verdict: Verdict) -> str:
    return f":{_COLOURS[verdict]}-badge[{verdict}]"


def _claim_text(row: AuditRow) -> str:
    target = f" {badge_text(Badge.TARGET)}" if row.claim.is_target else ""
    quote = f"{plain(row.claim.quote)} {_verdict_badge(row.verdict)}{target}"
    return f"{quote}  \n:small[:gray[{plain(row.claim.where)}]]"


def _result_text(row: AuditRow) -> str:
    if row.reading is None:
        return ":gray[Not measured yet\\.]"
    how = row.reading.how[:1].upper() + row.reading.how[1:]
    command = CLAIM_COMMANDS[row.claim.measurement]
    recompute = f"  \n:small[`{command}`]" if command else ""
    return f"{plain(row.text)}  \n:small[:gray[{badge_text(row.reading.badge)} {plain(how)}\\.]]{recompute}"
