"""Downloads of the Detection page: annotated photos and the faces as JSON, CSV and COCO results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import streamlit as st

from featherface.dashboard.components.controls import Display
from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.state.photos import FULL_SIZE_DRAWING, PhotoFile, decoded
from featherface.models import detector_entry
from featherface.reporting.comparison import Comparison

__all__ = ["show_face_downloads"]

_Offer = tuple[str, str, str, Callable[[], str | bytes]]  # label, file name, MIME type, what makes the file


def show_face_downloads(file: PhotoFile, comparison: Comparison, display: Display) -> None:
    """Offer the annotated photos at full size and the faces; files are made when somebody asks for them."""

    def annotated(kind: Literal["png", "jpeg"]) -> bytes:
        with FULL_SIZE_DRAWING:
            return comparison.annotated_file(
                decoded(file),
                kind,
                landmarks=display.landmarks,
                scores=display.scores,
                differences=display.differences,
                hide=display.hide,
            )

    stem = Path(file.name).stem or "photo"
    offers: list[_Offer] = [
        ("Annotated photos (PNG)", f"{stem}.faces.png", "image/png", partial(annotated, "png")),
        ("Annotated photos (JPEG)", f"{stem}.faces.jpg", "image/jpeg", partial(annotated, "jpeg")),
        ("Faces (JSON)", f"{stem}.faces.json", "application/json", comparison.to_json),
        ("Faces (CSV)", f"{stem}.faces.csv", "text/csv", comparison.to_csv),
        *(
            (
                f"{detector_entry(key).short_name} faces (COCO)",
                f"{stem}.{key}.coco.json",
                "application/json",
                partial(comparison.to_coco, key),
            )
            for key in comparison.faces
        ),
    ]
    st.subheader("Downloads", anchor=False)
    with st.container(horizontal=True):
        for label, name, mime, make in offers:
            download_button(label, make, name, mime, key=f"download_{label}", icon=":material/download:")
