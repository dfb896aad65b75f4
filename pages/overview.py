"""Overview: what V2 gains and loses against V1, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from featherface.checkpoints.files import WeightsError
from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.report_downloads import show_exports
from featherface.dashboard.components.speed_check import show_speed_check
from featherface.dashboard.components.widgets import badge_text, origin_badge, plain, show_chart
from featherface.dashboard.state.photos import SAMPLES
from featherface.dashboard.state.sample_comparison import annotated_photo, untrained_models
from featherface.dashboard.state.study_measurements import curves_of_shipped_weights, measurements
from featherface.detection.images import ImageError
from featherface.models import MODELS
from featherface.profiling.machine import Badge
from featherface.reporting.evaluation_runs import report_charts
from featherface.reporting.figures.results_figures import MIN_RADAR_AXES, radar_chart
from featherface.reporting.wording import change_text, faces_text, origin_text, value_pair
from featherface.serving.model_service import ServiceBusyError
from featherface.study.claims import RECIPE, AuditRow, Verdict, audit
from featherface.study.findings import Direction, Finding, findings
from featherface.study.headlines import Headline, headlines
from featherface.study.radar import Radar, radar
from featherface.study.recommendations import Recommendation, Support, recommendations

_SAMPLE = SAMPLES[0]
_ASPECTS = {
    "V2 gains": (Direction.GAIN,),
    "V2 loses": (Direction.LOSS,),
    "Undecided": (Direction.EVEN, Direction.OPEN),
}
_VERDICT_COLOURS = {
    Verdict.HOLDS: "green",
    Verdict.OFF: "orange",
    Verdict.WRONG: "red",
    Verdict.UNSETTLED: "violet",
    Verdict.NOT_MEASURED: "gray",
}
_SUPPORT_COLOURS = {Support.V2: "orange", Support.V1: "blue", Support.EITHER: "gray", Support.OPEN: "gray"}


def show_cards(rows: Sequence[Headline]) -> None:
    """Show the headline numbers, V1 before V2, each with its change and where it comes from."""
    with st.grid(5, min_column_width=190):
        for row in rows:
            known = next((quantity for quantity in row.values.values() if quantity is not None), None)
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.metric(
                    row.name,
                    value_pair(row) if known else "not yet measured",
                    change_text(row),
                    delta_color="normal" if row.more_is_better else "inverse",
                )
                if known:
                    st.space("stretch")
                    origin_badge(known.badge, origin_text(row))


def show_findings(rows: Sequence[Finding]) -> None:
    """Show gains beside losses, each with how sure it is."""
    for column, (title, directions) in zip(st.columns(3, gap="large"), _ASPECTS.items(), strict=True):
        chosen = [row for row in rows if row.direction in directions]
        column.subheader(title)
        if not chosen:
            column.caption("Nothing, as far as measured.")
        for row in chosen:
            short, colon, rest = row.sentence.partition(": ")
            unknown = "Not yet measured: " if row.direction is Direction.OPEN else ""
            column.markdown(
                f"**{unknown}{plain(short)}**{plain(colon + rest)}.  \n:small[:gray[{plain(row.sureness)}]]"
            )


def show_sample() -> None:
    """Show a bundled photo with both models' faces."""
    st.subheader("Both on one photo")
    for sentence in untrained_models():
        st.info(sentence, icon=":material/model_training:")
    try:
        photo = annotated_photo(_SAMPLE)
    except ServiceBusyError as error:
        st.info(str(error), icon=":material/hourglass:")
        return
    except (ImageError, WeightsError) as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    for key, jpeg in photo.pictures.items():
        name = MODELS[key].name
        st.image(
            jpeg,
            caption=f"{name}: {faces_text(photo.faces[key])}",
            alt=f"{photo.name}, {photo.about}; {name} finds {faces_text(photo.faces[key])}",
        )
    if photo.both is not None:
        st.caption(
            f"Found by both: {faces_text(photo.both)}. Default settings: longer side 640, confidence 0.5."
        )
    st.page_link(
        "pages/detection.py", label="Look closer, or try your own photos", icon=":material/frame_person:"
    )


def show_radar(found: Radar) -> None:
    """Show the measured axes and every axis's formula."""
    st.subheader("Profile")
    table = _radar_table(found)
    if len(found.axes) >= MIN_RADAR_AXES:
        summary = "; ".join(
            f"{axis.name} {', '.join(f'{key.upper()} {score:.2f}' for key, score in axis.scores.items())}"
            for axis in found.axes
        )
        show_chart(radar_chart(found), name="radar", alt=f"Profile of both models: {summary}", data=table)
    for axis in found.missing:
        st.caption(f"{axis.name} is not drawn: it waits for {axis.needs}.")
    with st.expander("How each axis is computed", icon=":material/function:"):
        st.table(table.set_index("Axis"), border="horizontal")
        st.caption("Outward is better. The better model reaches 1; on Accuracy, 1 is a perfect detector.")


def _radar_table(found: Radar) -> pd.DataFrame:
    rows = [
        {
            "Axis": axis.name,
            "Formula": axis.formula,
            **{key.upper(): f"{score:.3f}" for key, score in axis.scores.items()},
            "V2 / V1": f"{axis.ratio:.2f}",
        }
        for axis in found.axes
    ]
    rows += [{"Axis": axis.name, "Formula": f"{axis.formula} (not yet measured)"} for axis in found.missing]
    return pd.DataFrame(rows).fillna("")


def show_claims(rows: Sequence[AuditRow]) -> None:
    """Show every claim of the study with the verdict on it."""
    st.header("What the study claimed, and what holds")
    counts = Counter(row.verdict for row in rows)
    st.caption(
        f"{len(rows)} numbers stand in the notebook. Each is measured again; the verdict is computed from "
        "the measurement, its interval and the rounding of the claim. Off: by up to a tenth of the claim."
    )
    verdicts = [verdict for verdict in Verdict if counts[verdict]]
    st.markdown(" ".join(f"{_verdict_badge(verdict)} {counts[verdict]}" for verdict in verdicts))
    chosen = st.pills(
        "Show only",
        verdicts,
        selection_mode="multi",
        key="verdicts",
        bind="query-params",
    )
    shown = [row for row in rows if not chosen or row.verdict in chosen]
    st.table(
        pd.DataFrame(
            {
                "The study says": [_claimed(row) for row in shown],
                "Measured": [_found(row) for row in shown],
            }
        ),
        border="horizontal",
        alt="Claims of the study, each with verdict, measured value and method",
    )
    csv_button(
        "Claims (CSV)",
        lambda: pd.DataFrame([row.as_record() for row in rows]),
        "claims",
        key="claims_csv",
    )
    with st.expander("Settings that the study recommends: nothing to measure", icon=":material/tune:"):
        for setting, where in RECIPE:
            st.markdown(f"- {plain(setting)} :small[({plain(where)})]")


def _verdict_badge(verdict: Verdict) -> str:
    return f":{_VERDICT_COLOURS[verdict]}-badge[{verdict}]"


def _claimed(row: AuditRow) -> str:
    target = f" {badge_text(Badge.TARGET)}" if row.claim.is_target else ""
    quote = f"{plain(row.claim.quote)} {_verdict_badge(row.verdict)}{target}"
    return f"{quote}  \n:small[:gray[{plain(row.claim.where)}]]"


def _found(row: AuditRow) -> str:
    if row.reading is None:
        return ":gray[Not yet measured\\.]"
    how = row.reading.how[:1].upper() + row.reading.how[1:]
    return f"{plain(row.text)}  \n:small[:gray[{badge_text(row.reading.badge)} {plain(how)}\\.]]"


def show_recommendations(rows: Sequence[Recommendation]) -> None:
    """Show what follows for each way to use the models."""
    st.header("What to use")
    st.caption("Each line follows from the numbers below it, and changes with them.")
    with st.grid(3, min_column_width=290):
        for row in rows:
            with st.container(border=True, height="stretch"):
                st.markdown(
                    f"**{row.scenario}** :{_SUPPORT_COLOURS[row.support]}-badge[{row.support.value}]  \n"
                    f"{plain(row.text)}"
                )
                if row.numbers:
                    st.caption("; ".join(plain(number) for number in row.numbers))


st.title("FeatherFace V1 against V2")
st.caption(
    "V2 is a smaller redesign of the face detector V1. Everything here is counted, measured or taken from a "
    "named source; the badge on a number says which, its question mark when and where."
)
cards, in_short, speed = st.container(), st.container(), st.container()
profile, sample = st.columns(2, gap="large")
with cards.skeleton(height=180):
    measured = measurements()
with cards:
    show_cards(headlines(measured))
with in_short:
    show_findings(findings(measured))
with profile:
    show_radar(radar(measured))
with sample:
    show_sample()
show_recommendations(recommendations(measured))
show_claims(audit(measured))
st.header("Take it with you")
show_exports(measured, report_charts(curves_of_shipped_weights()), _SAMPLE)
with speed:
    show_speed_check(measured)
