"""Accuracy: average precision of the models and of other detectors, training, and own evaluations."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.accuracy_table import show_accuracy_table
from featherface.dashboard.components.evaluation_panel import named_runs, run_name, show_runs
from featherface.dashboard.components.hard_case_panel import show_hard_cases
from featherface.dashboard.components.own_evaluation import show_own_evaluation
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.components.peer_panel import show_peers
from featherface.dashboard.components.training_panel import show_training
from featherface.dashboard.components.widgets import choose_chart_format
from featherface.dashboard.state.sample_comparison import untrained_models
from featherface.dashboard.state.study_measurements import (
    curves_of_shipped_weights,
    hard_cases_of_shipped_weights,
    logs_of_training,
)
from featherface.reporting.evaluation_runs import runs
from featherface.study.results import accuracy

show_title("Accuracy")
st.caption(
    "Average precision (AP) is the area under the precision-recall curve; 1 is perfect. Compare only results "
    "on the same images, at the same input size and with the same protocol."
)
for sentence in untrained_models():
    st.info(sentence, icon=":material/model_training:")
shipped = runs(curves_of_shipped_weights())
official = [run for run in shipped if run.official and all(map(accuracy, run.results.values()))]
by_height = [run for run in shipped if not run.official]

show_accuracy_table(official)
if official:
    st.header("WIDER FACE subsets")
    show_runs(named_runs(official, run_name), "official", shareable=True)
if by_height:
    st.header("By face height")
    show_runs(named_runs(by_height, run_name), "heights", shareable=True)
st.header("False positives and close-ups")
show_hard_cases(hard_cases_of_shipped_weights())
st.header("Comparison with other lightweight detectors")
show_peers(official)
st.header("Training")
show_training(logs_of_training())
st.header("Evaluate on your own images")
show_own_evaluation()
choose_chart_format()
