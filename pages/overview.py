"""Overview: how the study's second model compares with the first, and how certain that is."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.claims_panel import show_claims
from featherface.dashboard.components.finding_columns import show_findings
from featherface.dashboard.components.headline_cards import show_headlines
from featherface.dashboard.components.latency_check import show_latency_check
from featherface.dashboard.components.radar_panel import show_radar
from featherface.dashboard.components.recommendation_cards import show_recommendations
from featherface.dashboard.components.report_downloads import show_report_downloads
from featherface.dashboard.components.sample_panel import show_sample
from featherface.dashboard.components.widgets import choose_chart_format
from featherface.dashboard.state.photos import SAMPLES
from featherface.dashboard.state.study_measurements import curves_of_shipped_weights, measurements
from featherface.models import MODELS
from featherface.reporting.evaluation_runs import report_charts
from featherface.study.claims import audit
from featherface.study.findings import findings
from featherface.study.headlines import headlines
from featherface.study.measurements import STUDY_MODELS
from featherface.study.radar import radar
from featherface.study.recommendations import recommendations

baseline, redesign = (MODELS[key] for key in STUDY_MODELS)
st.title(f"{baseline.name} vs {redesign.short_name}")
st.caption(
    f"{redesign.short_name} is a smaller redesign of the face detector {baseline.short_name}. Every number "
    "here is counted, measured or cited; hover over its badge to see how, when and where. Arrows point from "
    f"{baseline.short_name} to {redesign.short_name}."
)
cards, conclusions, latency = st.container(), st.container(), st.container()
profile, photo = st.columns(2, gap="large")
with cards.skeleton(height=180):
    measured = measurements()
with cards:
    show_headlines(headlines(measured))
with conclusions:
    show_findings(findings(measured), redesign.short_name)
with profile:
    st.subheader("Profile")
    show_radar(radar(measured), f"{redesign.short_name} / {baseline.short_name}")
with photo:
    st.subheader("Example")
    sample = st.container()
st.header("Recommendations")
show_recommendations(recommendations(measured))
st.header("Claims audit")
show_claims(audit(measured))
st.header("Export")
show_report_downloads(measured, report_charts(curves_of_shipped_weights()), SAMPLES[0])
choose_chart_format()
with sample, st.skeleton(height=420):  # late, as a first visit waits here until the networks have run
    show_sample(SAMPLES[0])
with latency:  # last, as a first visit starts a benchmark here, which would slow down everything before it
    show_latency_check(measured)
