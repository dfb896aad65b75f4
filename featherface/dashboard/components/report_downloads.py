"""The Overview's export: the summary, and the report as HTML, PDF and slides, each made on request."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.state.photos import PhotoFile, own_photos
from featherface.dashboard.state.sample_comparison import annotated_photo
from featherface.reporting.html_report import REPORT_FILE, AnnotatedPhoto, ReportChart, html_report
from featherface.reporting.report_files import PDF_FILE, SLIDES_FILE, SLIDES_MIME, pdf_file, slides_file
from featherface.study.measurements import Measurements
from featherface.study.story import Step
from featherface.study.summary import SUMMARY_FILE, record

__all__ = ["show_report_downloads"]


def show_report_downloads(
    measured: Measurements, charts: Sequence[ReportChart], steps: Sequence[Step], sample: PhotoFile
) -> None:
    """Offer the summary and the reports, optionally with the session's photos or else the sample."""

    def annotated() -> list[AnnotatedPhoto]:
        return [annotated_photo(file) for file in photos] if with_photos else []

    photos = own_photos() or [sample]
    whose = "your photos" if own_photos() else f"the sample photo {sample.name}"
    with_photos = st.toggle(
        f"Include {whose} with the detected faces in the HTML and PDF reports",
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
            lambda: html_report(measured, charts, annotated(), steps),
            REPORT_FILE,
            "text/html",
            key="report_file",
            icon=":material/article:",
        )
        download_button(
            "Report (PDF)",
            lambda: pdf_file(measured, steps, annotated()),
            PDF_FILE,
            "application/pdf",
            key="pdf_file",
            icon=":material/description:",
        )
        download_button(
            "Slides (PPTX)",
            lambda: slides_file(measured, steps),
            SLIDES_FILE,
            SLIDES_MIME,
            key="slides_file",
            icon=":material/slideshow:",
        )
    st.caption(
        "The summary contains the fields of the study's notebook and every number on this page with its "
        "origin. The HTML report is a single file that works offline. The six slides have native charts that "
        "stay editable; they contain no photos. Every number has its badge and the command that recomputes "
        "it. `featherface study --out DIR --pdf --pptx` writes the same files."
    )
