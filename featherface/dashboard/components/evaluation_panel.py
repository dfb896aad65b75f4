"""Evaluation runs: average precision per subset and precision-recall curves of one chosen run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from featherface.dashboard.components.widgets import badge_line, plain, show_chart
from featherface.models import MODELS
from featherface.reporting.evaluation_runs import Run
from featherface.reporting.figures.accuracy import curve_chart, precision_bars
from featherface.reporting.wording import utc
from featherface.study.provenance import Badge

__all__ = ["named_runs", "own_run_name", "run_name", "show_runs"]


def run_name(run: Run) -> str:
    """Return what tells a shipped run from the others; it stays the same when the run is measured again."""
    return f"{run.title}, {_images_text(run)}"


def own_run_name(run: Run) -> str:
    """Return the name with protocol and time: the same file may be evaluated twice within a minute."""
    kind = "WIDER FACE subsets" if run.official else "by face height"
    return f"{run_name(run)}, {kind}, {utc(run.first.date):%d %B %Y, %H:%M:%S UTC}"


def named_runs(runs: Sequence[Run], name: Callable[[Run], str]) -> dict[str, Run]:
    """Return the runs by name; a name that occurs again is numbered."""
    named: dict[str, Run] = {}
    counts: Counter[str] = Counter()
    for run in runs:
        title = name(run)
        counts[title] += 1
        named[title if counts[title] == 1 else f"{title} ({counts[title]})"] = run
    return named


def show_runs(runs: Mapping[str, Run], key: str, *, shareable: bool) -> None:
    """Let the visitor choose a run by name and show its average precision and curves.

    shareable: keep the choices in the page's address; else only in the session, because the recipient of a
    link does not have this session's own results.
    """
    name = next(iter(runs))
    if len(runs) > 1:
        name = st.selectbox(
            "Data set",
            list(runs),
            key=f"{key}_run",
            bind="query-params" if shareable else None,
            persist_state=None if shareable else "session",
        )
    run = runs[name]
    badge_line(Badge.MEASURED, plain(f"{run.title}: {run.about}"))
    bars, curves = st.columns(2, gap="large")
    with bars:
        _show_bars(run, key)
    with curves:
        _show_curves(run, key, shareable=shareable)


def _show_bars(run: Run, key: str) -> None:
    found = run.by_model()
    st.subheader("Average precision")
    summary = "; ".join(
        f"{MODELS[model].name}: "
        + ", ".join(f"{name} {curve.average_precision:.3f}" for name, curve in curves.items())
        for model, curves in found.items()
    )
    show_chart(
        precision_bars(found),
        name=f"{key}_precision",
        alt=f"Average precision per subset. {summary}",
        data=run.scores(),
    )
    faces = ", ".join(f"{plain(name)} {count:,}" for name, count in run.subsets.items())
    reasons = dict.fromkeys(
        f"{name}: {curve.no_interval}"
        for curves in found.values()
        for name, curve in curves.items()
        if curve.no_interval
    )
    st.caption(
        f"Annotated faces per subset: {faces}. Error bars: 95% confidence interval, bootstrap over images "
        f"(1,000 resamples). {plain(' '.join(reasons))}"
    )


def _show_curves(run: Run, key: str, *, shareable: bool) -> None:
    st.subheader("Precision-recall curve")
    names = list(run.subsets)
    default = "hard" if "hard" in names else names[0]
    subset = st.segmented_control(
        "Subset",
        names,
        default=default,
        required=True,
        key=f"{key}_subset",
        label_visibility="collapsed",
        bind="query-params" if shareable else None,
        persist_state=None if shareable else "session",
    )
    subset = subset or default  # an address can leave it empty
    curves = run.curves(subset)
    summary = ", ".join(
        f"{MODELS[model].name} {curve.average_precision:.3f}" for model, curve in curves.items()
    )
    show_chart(
        curve_chart(curves),
        name=f"{key}_curve",
        alt=f"Precision-recall curve, {subset} faces. Average precision: {summary}",
        data=run.points(subset),
    )


def _images_text(run: Run) -> str:
    count = run.first.evaluation.images
    return f"{count:,} image{'' if count == 1 else 's'}"
