"""The Overview's export: the summary in JSON and the HTML report, made on request."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.state.photos import PhotoFile, own_photos
from featherface.dashboard.state.sample_comparison import annotated_photo
from featherface.reporting.html_report import REPORT_FILE, ReportChart, html_report
from featherface.study.measurements import Measurements
from featherface.study.summary import SUMMARY_FILE, record

__all__ = ["show_report_downloads"]


def show_report_downloads(measured: Measurements, charts: Sequence[ReportChart], sample: PhotoFile) -> None:
    """Offer the summary and the report, optionally with the session's photos or else the sample."""
    photos = own_photos() or [sample]
    whose = "your photos" if own_photos() else f"the sample photo {sample.name}"
    with_photos = st.toggle(
        f"Include {whose} with the detected faces in the report",
        key="report_photos",
        persist_state="session",
    )
    with st.container(horizontal=True):
        download_button(
            "Summary (JSON)",
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
            REPORT_FILE,
            "text/html",
            key="report_file",
            icon=":material/article:",
        )
    st.caption(
        "The summary contains the fields of the study's notebook and every number on this page with its "
        "origin. The report is a single HTML file that works offline; print it to get a PDF. Both are also "
        "written by `featherface study --out DIR [--quick]`."
    )
