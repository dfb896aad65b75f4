"""Deploy: every engine and precision on this machine, and the models as files for others."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.components.deploy_downloads import show_downloads
from featherface.dashboard.components.deploy_panel import choose_rows, show_measurement, show_table
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.state.deployments import accuracies_by_engine, deployment_rows, usable_weights

show_title("Deploy")
st.caption(
    "Each model in every engine and precision: file size, latency and memory on this machine, average "
    "precision, and the file to download."
)
weights = usable_weights()
if not weights:
    st.info("No model has usable weights, so there is nothing to deploy.", icon=":material/info:")
    st.stop()
accuracies = accuracies_by_engine(weights)
st.header("Engines and precisions")
rows = choose_rows(deployment_rows(weights, accuracies))
show_measurement(rows, weights)
show_table(rows, {row.model: accuracies[row.model] for row in rows if row.model in accuracies})
st.header("Download a model")
show_downloads(weights)
