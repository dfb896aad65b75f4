"""The Detection page's view of all photos: a grid sorted by disagreement, one table and one file for all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from featherface.dashboard.components.controls import FilterBar, NetworkInput, View, choose_filters
from featherface.dashboard.components.detection_run import PhotoRun
from featherface.dashboard.components.downloads import csv_button, download_button
from featherface.dashboard.components.photo_strip import select_photo
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.state.photos import PhotoFile, preview
from featherface.detection.drawing import Hide, annotate, encode_image
from featherface.detection.images import ImageError, Photo, decode_photo
from featherface.models import detector_entry
from featherface.reporting.comparison import Comparison, compare
from featherface.reporting.photo_batch import (
    by_disagreement,
    differing_faces,
    faces_csv,
    faces_json,
    photo_table,
)
from featherface.reporting.wording import faces_text, photos_text

__all__ = ["show_all_photos"]

_CELL_WIDTH = 260  # pixels, at least; the grid has as many columns as fit
_LINE = 2  # pixels of a photo of up to 480, which is shown smaller still
_BOTH_COLOUR = "#ffffff"  # of faces that both models found


@st.fragment
def show_all_photos(runs: Sequence[PhotoRun], given: NetworkInput, bar: FilterBar) -> None:
    """Show the thresholds in `bar`, and below it every photo with the faces of both models."""
    keys = tuple(runs[0].results)
    settings, display = choose_filters(keys, given, bar)
    comparisons = [compare(run.file.name, run.size, run.results, settings) for run in runs]
    order = by_disagreement(comparisons)
    ordered = [comparisons[index] for index in order]
    _show_summary(ordered)
    with st.grid("auto", min_column_width=_CELL_WIDTH):
        for index in order:
            with st.container(border=True, gap="small"):
                _show_photo(runs[index].file, comparisons[index], display.hide)
    _show_table(ordered)


def _show_summary(ordered: Sequence[Comparison]) -> None:
    total = sum(differing_faces(comparison) for comparison in ordered)
    differing = sum(differing_faces(comparison) > 0 for comparison in ordered)
    if ordered[0].agreement is None:
        return
    st.caption(
        f"{photos_text(len(ordered))}. Found by only one model: {faces_text(total)} in "
        f"{photos_text(differing)}. Photos with the most such faces come first. Boxes in a model's colour "
        "mark faces that only this model found, white boxes those that both found."
    )


def _show_photo(file: PhotoFile, comparison: Comparison, hide: Hide | None) -> None:
    """Show one photo with its counts, and a button that opens it."""
    counts = " · ".join(
        f"{detector_entry(key).short_name}: {len(faces)}" for key, faces in comparison.faces.items()
    )
    found = comparison.agreement
    differ = ""
    if found is not None:
        first, second = (detector_entry(key).short_name for key in comparison.faces)
        differ = f"{len(found.only_first)} only {first}, {len(found.only_second)} only {second}"
    try:
        alt = f"{file.name}, {file.about}. Faces by {counts}; {differ}"
        st.image(_annotated(file, comparison, hide), alt=alt, width="stretch")
    except ImageError as error:  # dropped from every cache, and it cannot be decoded now
        st.caption(plain(str(error)))
    if st.button(
        plain(file.name),
        key=f"open_{file.key}",
        icon=":material/open_in_full:",
        help="Open this photo side by side",
        width="stretch",
        wrap=False,
        on_click=_open,
        args=(file.key,),
    ):
        st.rerun()  # all of the page, not only this fragment of it
    st.markdown(f"**{counts}**  \n:small[{differ}]")


def _open(key: str) -> None:
    select_photo(key)
    st.session_state["view"] = View.SIDE_BY_SIDE


def _annotated(file: PhotoFile, comparison: Comparison, hide: Hide | None) -> bytes:
    """Return a small JPEG of the photo with the faces of all models."""
    small = decode_photo(preview(file))
    if hide is not None:
        small = comparison.hidden(small, hide)
    scale = small.width / comparison.width, small.height / comparison.height
    for key, faces in comparison.faces.items():
        partners = comparison.partners(key)
        shown = faces.scaled(*scale)
        for colour, only in (
            (_BOTH_COLOUR, np.flatnonzero(partners >= 0)),
            (detector_entry(key).colour, np.flatnonzero(partners < 0)),
        ):
            small = Photo(
                annotate(small, shown, colour, landmarks=False, scores=False, only=only, line=_LINE)
            )
    return encode_image(small.pixels, "jpeg")


def _show_table(ordered: Sequence[Comparison]) -> None:
    st.subheader("All photos", anchor=False)
    table = photo_table(ordered)
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        table,
        hide_index=True,
        column_config={"Agreement": percent},
        alt="Faces by model, agreement and latency of every photo, most faces found by only one model first",
    )
    with st.container(horizontal=True):
        csv_button("Table (CSV)", lambda: table, "photos")
        for label, make, name, mime in (
            ("Faces of all photos (CSV)", faces_csv, "photos.faces.csv", "text/csv"),
            ("Faces of all photos (JSON)", faces_json, "photos.faces.json", "application/json"),
        ):
            download_button(
                label, partial(make, ordered), name, mime, icon=":material/download:", type="tertiary"
            )
