"""Downloads of the Detection page: annotated photos and the faces as JSON, CSV and COCO results."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import streamlit as st

from featherface.dashboard.components.controls import Display
from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.state.photos import FULL_SIZE, PhotoFile, decoded
from featherface.detection.drawing import encode_picture
from featherface.reporting.comparison import Comparison

__all__ = ["show_face_downloads"]


def show_face_downloads(file: PhotoFile, comparison: Comparison, display: Display) -> None:
    """Offer the annotated photos at full size and the faces; files are made when somebody asks for them."""

    def annotated(kind: Literal["png", "jpeg"]) -> bytes:
        with FULL_SIZE:
            pair = comparison.annotated(
                decoded(file),
                landmarks=display.landmarks,
                scores=display.scores,
                differences=display.differences,
                hide=display.hide,
            )
            return encode_picture(pair, kind)

    stem = Path(file.name).stem or "photo"
    offers = (
        ("Annotated photos (PNG)", f"{stem}.faces.png", "image/png", lambda: annotated("png")),
        ("Annotated photos (JPEG)", f"{stem}.faces.jpg", "image/jpeg", lambda: annotated("jpeg")),
        ("Faces (JSON)", f"{stem}.faces.json", "application/json", comparison.to_json),
        ("Faces (CSV)", f"{stem}.faces.csv", "text/csv", comparison.to_csv),
        ("Faces (COCO)", f"{stem}.coco.json", "application/json", comparison.to_coco),
    )
    st.subheader("Downloads")
    with st.container(horizontal=True):
        for label, name, mime, make in offers:
            download_button(label, make, name, mime, key=f"download_{label}", icon=":material/download:")
