"""The study as files: the notebook's summary and the report, made when asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.state.photos import PhotoFile, own_photos
from featherface.dashboard.state.sample_comparison import annotated_photo
from featherface.reporting.html_report import ReportChart, html_report
from featherface.study.measurements import Measurements
from featherface.study.summary import SUMMARY_FILE, record

__all__ = ["show_exports"]


def show_exports(measured: Measurements, charts: Sequence[ReportChart], sample: PhotoFile) -> None:
    """Offer the summary and the report, on request with the session's photos or else the sample."""
    photos = own_photos() or [sample]
    whose = "your photos" if own_photos() else f"the sample {sample.name}"
    with_photos = st.toggle(
        f"Put {whose} with the faces found into the report",
        key="report_photos",
        persist_state="session",
    )
    with st.container(horizontal=True):
        download_button(
            SUMMARY_FILE,
            lambda: json.dumps(record(measured), indent=2) + "\n",
            SUMMARY_FILE,
            "application/json",
            key="summary_file",
            icon=":material/data_object:",
        )
        download_button(
            "Report (HTML)",
            lambda: html_report(
                measured, charts, [annotated_photo(file) for file in photos] if with_photos else []
            ),
            "featherface_report.html",
            "text/html",
            key="report_file",
            icon=":material/article:",
        )
    st.caption(
        "The summary holds the notebook's fields and, beside them, everything measured with its origin. The "
        "report is one file for any browser, without a network; print it for a PDF. On the command line: "
        "`python -m featherface study --out DIR [--quick]`."
    )
