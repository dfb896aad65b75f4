"""The Accuracy page's first table: measured, published and targeted average precision."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from featherface.dashboard.components.widgets import badge_text, plain
from featherface.evaluation.curves import SavedCurves
from featherface.models import MODELS
from featherface.reporting.evaluation_runs import Run
from featherface.study.claims import CLAIMS
from featherface.study.measurements import STUDY_MODELS
from featherface.study.peers import Peer, peers
from featherface.study.provenance import Badge
from featherface.study.results import accuracy

__all__ = ["show_accuracy_table"]

_MEASURES = ("easy", "medium", "hard", "mean")
_TARGET = "target-map"  # the claim that states the target


def show_accuracy_table(official: Sequence[Run]) -> None:
    """Show one row per source of average precision, each with its badge.

    official: runs with the WIDER FACE subsets easy, medium and hard.
    """
    rows = [_measured_row(key, run) for run in official for key in run.results]
    names = tuple(entry.name for entry in MODELS.values())
    rows += [_published_row(peer) for peer in peers() if peer.name.startswith(names)]
    rows.append(_target_row())
    missing = [entry.name for key, entry in MODELS.items() if not any(key in run.results for run in official)]
    if missing:
        st.info(
            f"Not measured yet: {', '.join(missing)}. There is no WIDER FACE result for the current weights.",
            icon=":material/pending:",
        )
    st.table(
        pd.DataFrame(rows).fillna(""),
        border="horizontal",
        hide_index=True,
        alt="Average precision per model and source: easy, medium, hard and mean",
    )


def _measured_row(key: str, run: Run) -> dict[str, str]:
    saved = run.results[key]
    found = accuracy(saved)
    if found is None:
        raise ValueError(f"{run.title} lacks one of the subsets easy, medium and hard.")
    return {
        "Model": _model_cell(
            MODELS[key].name, Badge.MEASURED, f"{plain(run.title)}, {found.images:,} images"
        ),
        **{name.capitalize(): f"{getattr(found, name):.3f}{_interval(saved, name)}" for name in _MEASURES},
    }


def _interval(saved: SavedCurves, subset: str) -> str:
    curve = saved.evaluation.curves.get(subset)
    if curve is None or curve.interval is None:
        return ""
    low, high = curve.interval
    return f"  \n:small[:gray[{low:.3f}\u2013{high:.3f}]]"


def _published_row(peer: Peer) -> dict[str, str]:
    mean = (peer.easy + peer.medium + peer.hard) / 3
    scores = {"easy": peer.easy, "medium": peer.medium, "hard": peer.hard, "mean": mean}
    source = f"[{plain(peer.source)}]({peer.link}), {plain(peer.protocol)}"
    return {
        "Model": _model_cell(plain(peer.name), Badge.PUBLISHED, source),
        **{name.capitalize(): f"{score / 100:.3f}" for name, score in scores.items()},
    }


def _target_row() -> dict[str, str]:
    target = next(claim for claim in CLAIMS if claim.id == _TARGET)
    return {
        "Model": _model_cell(MODELS[STUDY_MODELS[1]].name, Badge.TARGET, f"the study: {plain(target.quote)}"),
        "Mean": f"≥ {target.low / 100:.2f}",
    }


def _model_cell(name: str, origin: Badge, source: str) -> str:
    return f"**{name}** {badge_text(origin)}  \n:small[:gray[{source}]]"
