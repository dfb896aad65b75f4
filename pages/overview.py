"""Overview: what the study's second model gains and loses compared with the first, and how certain it is."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.finding_columns import show_findings
from featherface.dashboard.components.headline_cards import show_headlines
from featherface.dashboard.components.latency_check import show_latency_check
from featherface.dashboard.components.page_title import show_copy_link
from featherface.dashboard.components.presenter import presenting, show_presenter, show_start_button
from featherface.dashboard.components.radar_panel import show_radar
from featherface.dashboard.components.recommendation_cards import show_first_choice, show_recommendations
from featherface.dashboard.components.report_downloads import show_report_downloads
from featherface.dashboard.components.sample_panel import show_sample
from featherface.dashboard.components.widgets import choose_chart_format
from featherface.dashboard.state.photos import SAMPLES
from featherface.dashboard.state.study_measurements import (
    curves_of_shipped_weights,
    measurements,
    shipped_evidence,
)
from featherface.models import MODELS
from featherface.reporting.evaluation_runs import report_charts
from featherface.study.findings import findings
from featherface.study.headlines import headlines
from featherface.study.measurements import STUDY_MODELS
from featherface.study.radar import radar
from featherface.study.recommendations import recommendations
from featherface.study.story import story


def show_overview() -> None:
    """Show the answer on one screen, then what it rests on."""
    baseline, redesign = (MODELS[key] for key in STUDY_MODELS)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(f"{baseline.name} vs {redesign.short_name}")
        show_start_button()
        show_copy_link()
    st.caption(
        f"{redesign.short_name} is a smaller redesign of the face detector {baseline.short_name}. Every "
        "number here is counted, measured or cited; hover over its badge to see how, when and where. Arrows "
        f"point from {baseline.short_name} to {redesign.short_name}."
    )
    cards, conclusions, latency = st.container(), st.container(), st.container()
    profile, photo = st.columns(2, gap="large")
    with cards.skeleton(height=180):
        measured = measurements()
    advice = recommendations(measured)
    with cards:
        show_headlines(headlines(measured))
    with conclusions:
        show_findings(findings(measured), redesign.short_name)
        show_first_choice(advice[0])
    with profile:
        st.subheader("Profile")
        show_radar(radar(measured), f"{redesign.short_name} / {baseline.short_name}")
    with photo:
        st.subheader("Example")
        sample = st.container()
    st.header("Recommendations")
    show_recommendations(advice[1:])
    st.header("Export")
    steps = story(measured, shipped_evidence())
    show_report_downloads(measured, report_charts(curves_of_shipped_weights()), steps, SAMPLES[0])
    choose_chart_format()
    with sample, st.skeleton(height=420):  # late: a first visit waits here until the networks have run
        show_sample(SAMPLES[0])
    with latency:  # last, as a first visit starts a benchmark here, which slows down everything else
        show_latency_check(measured)


if presenting():
    show_presenter()
else:
    show_overview()
