"""The Detection page's results: annotated photos, counts, agreement and matched faces.

The networks have run by then; everything here only filters and draws their results again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from featherface.config import CANDIDATE_FLOOR, CONFIDENCE_RANGE, MATCH_IOU
from featherface.dashboard.components.controls import (
    Display,
    FilterBar,
    NetworkInput,
    View,
    choose_filters,
)
from featherface.dashboard.components.face_downloads import show_face_downloads
from featherface.dashboard.components.ground_truth_panel import show_ground_truth
from featherface.dashboard.components.larger_input_hint import show_larger_input_hint
from featherface.dashboard.components.missed_face_panel import show_missed_faces
from featherface.dashboard.components.viewer import FullPhoto, Marks, Panel, show_viewer
from featherface.dashboard.components.widgets import origin_badge, plain, show_chart
from featherface.dashboard.state.marked_faces import can_undo, examined_spot, marked_faces
from featherface.dashboard.state.photo_regions import close_regions, regions_address
from featherface.dashboard.state.photos import DisplayPhoto, PhotoFile, display_photo
from featherface.dashboard.state.shared_service import machine
from featherface.detection.agreement import AgreementCurve, agreement_curve
from featherface.detection.detections import Detections
from featherface.detection.drawing import encode_image
from featherface.detection.images import ImageError
from featherface.detection.multiscale import Pass
from featherface.detection.postprocess import select
from featherface.models import detector_entry
from featherface.reporting.comparison import Comparison, compare
from featherface.reporting.figures.thresholds import mark_thresholds, threshold_chart
from featherface.reporting.wording import faces_text, pass_text, when_text
from featherface.robustness.missed_faces import Spot
from featherface.serving.model_service import DetectionResult
from featherface.study.provenance import Badge

__all__ = ["show_comparison"]

_BLANK = "This image is blank; choose another photo."
_ROW_HEIGHT = 35  # pixels, of a table
_TABLE_HEIGHT = 390
_CONFIDENCES = np.arange(round(100 * CONFIDENCE_RANGE[0]), round(100 * CONFIDENCE_RANGE[1]) + 1) / 100


@st.fragment
def show_comparison(
    file: PhotoFile,
    given: NetworkInput,
    results: Mapping[str, DetectionResult],
    view: View,
    bar: FilterBar,
) -> None:
    """Show the thresholds in `bar`, and below it the annotated photos and everything that follows from them.

    Streamlit keeps the arguments of a fragment as long as the session lasts, so the 4 MB of pixels are not
    among them.
    """
    try:
        shown = display_photo(file)
    except ImageError as error:  # dropped from every cache, and no memory to decode it again
        st.error(plain(str(error)), icon=":material/error:")
        return
    settings, display = choose_filters(tuple(results), given, bar)
    comparison = compare(file.name, (shown.width, shown.height), results, settings)
    marked = _show_photos(file, shown, comparison, display, view)
    hint, below_photos = st.container(), st.container()
    _show_numbers(comparison)
    if comparison.agreement is not None:
        chart, table = st.columns(2, gap="large")
        with chart:
            _show_threshold_chart(file.key, comparison)
        with table:
            _show_matches(comparison)
    if marked is not None:
        st.session_state["marked_in"] = file.key
    # Where a person has clicked in the photos, the answer belongs below them, also for what follows.
    with below_photos if st.session_state.get("marked_in") == file.key else st.container():
        show_missed_faces(file, comparison, given.weights, marked, display.hide)
    show_ground_truth(file, comparison)
    show_face_downloads(file, comparison, display)
    with hint:  # last, as it may run the networks again
        show_larger_input_hint(file, comparison)


def _show_photos(
    file: PhotoFile, shown: DisplayPhoto, comparison: Comparison, display: Display, view: View
) -> Spot | None:
    """Show the photo once per model and return what was clicked or drawn just now, if anything was."""
    jpeg, full = shown.jpeg, None
    if display.hide is not None:  # then nothing that the browser gets holds the faces
        jpeg = encode_image(comparison.hidden(shown.small, display.hide).pixels, "jpeg")
        close_regions(file.key)
    elif shown.small.width < shown.width:
        full = FullPhoto(regions_address(file), shown.small.width)
    panels = [
        _panel(key, file, comparison, display, is_blank=shown.small.is_blank) for key in comparison.faces
    ]
    truth = marked_faces(file.key) if display.truth or can_undo(file.key) else ()
    marked = show_viewer(
        file.key,
        jpeg,
        (shown.width, shown.height),
        panels,
        landmarks=display.landmarks,
        scores=display.scores,
        full=full,
        marks=Marks(truth, examined_spot(file.key)),
        wipe=view is View.WIPE,
        differences=comparison.agreement is not None,
        pick=True,
    )
    filled = "Filled boxes mark faces found by only one model. " if comparison.agreement is not None else ""
    dashed = "Dashed boxes mark ground truth. " if truth else ""
    st.caption(
        f"{filled}{dashed}Point at or tap a face for its score and size; click elsewhere or draw a box to "
        "see why a face was missed. Zoom with the buttons, a pinch, a double click or Ctrl + scroll; drag to "
        "move. Keyboard, with a photo focused: \\+, \\-, 0 and the arrow keys; n and p choose the next and "
        "previous face."
    )
    return marked


def _panel(key: str, file: PhotoFile, comparison: Comparison, display: Display, *, is_blank: bool) -> Panel:
    faces, partners = comparison.faces[key], comparison.partners(key)
    alone = np.flatnonzero(partners < 0)
    name = detector_entry(key).name
    return Panel(
        name=name,
        short_name=detector_entry(key).short_name,
        colour=detector_entry(key).colour,
        alt=f"{file.name}, {file.about}: {name} found {faces_text(len(faces))}",
        message=_BLANK
        if is_blank
        else _message(key, comparison, nothing_differs=display.differences and len(alone) == 0),
        detections=faces,
        pairs=partners,
        shown=alone if display.differences else range(len(faces)),
        notes=_notes(key, faces, partners, comparison),
    )


def _message(key: str, comparison: Comparison, *, nothing_differs: bool) -> str:
    if len(comparison.faces[key]) == 0:
        best = comparison.results[key].detections.scores[:1]
        threshold = comparison.settings[key].confidence
        if len(best) == 0:
            return "No face found in this photo."
        return f"No face above {threshold:.2f}. The highest-scoring candidate reaches {best[0]:.2f}."
    if nothing_differs and comparison.agreement is not None:
        return "The other model found all of these faces too."
    return ""


def _notes(key: str, faces: Detections, partners: np.ndarray, comparison: Comparison) -> list[str]:
    """Return a tooltip for each face."""
    found = comparison.agreement
    passes = _pass_names(faces, comparison.results[key])
    sizes = faces.boxes[:, 2:] - faces.boxes[:, :2]
    notes = []
    for (width, height), score, partner, seen in zip(
        sizes.tolist(), faces.scores.tolist(), partners.tolist(), passes, strict=True
    ):
        note = f"Score {score:.3f}\n{width:.0f} × {height:.0f} pixels"
        if found is not None:
            note += (
                "\nFound by this model only"
                if partner < 0
                else f"\nMatch {partner + 1}, IoU {found.iou[partner]:.2f}"
            )
        if seen:
            note += f"\nFound at {seen}"
        notes.append(note)
    return notes


def _pass_names(faces: Detections, result: DetectionResult) -> list[str]:
    """Return the pass that found each face, or empty texts where there was one pass."""
    if faces.found_by is None:
        return [""] * len(faces)
    return [pass_text(result.passes[index]) for index in faces.found_by.tolist()]


def _show_numbers(comparison: Comparison) -> None:
    """Show one card per model and one for their agreement."""
    found = comparison.agreement
    columns = st.columns(len(comparison.faces) + (found is not None), border=True)
    for column, (key, faces) in zip(columns, comparison.faces.items(), strict=False):
        with column:
            _show_model_card(key, faces, comparison.results[key])
    if found is None:
        return
    with columns[-1]:
        st.markdown("**Agreement**")
        with st.container(horizontal=True):
            st.metric("Found by both", found.both, width="content")
            for key, only in zip(comparison.faces, (found.only_first, found.only_second), strict=True):
                st.metric(f"Only {detector_entry(key).short_name}", len(only), width="content")
        st.caption(
            f"{found.share:.0%} of all detected faces were found by both models (IoU {MATCH_IOU} or more)."
        )


def _show_model_card(key: str, faces: Detections, result: DetectionResult) -> None:
    st.markdown(f"**{detector_entry(key).name}**")
    with st.container(horizontal=True):
        st.metric("Faces", len(faces), width="content")
        st.metric("Mean confidence", f"{faces.scores.mean():.2f}" if len(faces) else "–", width="content")
        st.metric("Latency", f"{sum(result.milliseconds.values()):.0f} ms", width="content")
    stages = ", ".join(f"{name} {spent:.1f}" for name, spent in result.milliseconds.items())
    height, width = result.input_size
    runs = f"Input size: {width} × {height} pixels."
    if faces.found_by is not None:
        runs = _runs_text(faces.found_by, result.passes)
    engine = f"{result.engine.name} {result.engine.version}"
    st.caption(f"Stages (ms): {stages}. {runs} Engine: {engine}.")
    origin_badge(
        Badge.MEASURED,
        f"{when_text(result.when)}, on {machine().processor}. A single run alongside other work on the "
        "server; for a benchmark, see the Latency page.",
    )


def _runs_text(found_by: np.ndarray, passes: Sequence[Pass]) -> str:
    """Return the cost of each run of a network, and how many of the shown faces come from it."""
    runs = [
        f"{pass_text(one)}: {sum(one.raw.milliseconds.values()):.0f} ms, "
        f"{int((found_by == index).sum())} of {faces_text(len(found_by))} taken"
        for index, one in enumerate(passes)
    ]
    return f"{len(runs)} runs: {'; '.join(runs)}. A face is taken from the run that suits its size."


def _show_threshold_chart(photo_key: str, comparison: Comparison) -> None:
    """Show how counts and agreement depend on the confidence threshold."""
    st.subheader("Faces by confidence threshold", anchor=False)
    first, second = (detector_entry(key) for key in comparison.faces)
    runs = tuple((result.weights.sha256, result.input_size) for result in comparison.results.values())
    modes = tuple(
        (settings.resize, settings.scales, settings.rotated) for settings in comparison.settings.values()
    )
    nms_ious = tuple(settings.nms_iou for settings in comparison.settings.values())
    current = {key: settings.confidence for key, settings in comparison.settings.items()}
    curve, figure = _curve_and_chart(photo_key, runs, modes, nms_ious, comparison)
    mark_thresholds(figure, first, second, current)
    show_chart(
        figure,
        name="faces_by_confidence",
        alt=f"Faces found by {first.name}, by {second.name} and by both, and their agreement, by confidence "
        f"threshold; current thresholds {current[first.key]:.2f} and {current[second.key]:.2f}",
        data=lambda: pd.DataFrame(
            {
                "confidence": curve.confidences,
                f"faces_{first.key}": curve.first,
                f"faces_{second.key}": curve.second,
                "faces_both": curve.both,
                "agreement": curve.share,
            }
        ),
    )


@st.cache_resource(scope="session", max_entries=16, show_spinner=False)
def _curve_and_chart(
    photo_key: str,
    runs: tuple[tuple[str, tuple[int, int]], ...],
    modes: tuple[tuple[str, str, bool], ...],
    nms_ious: tuple[float, ...],
    _comparison: Comparison,
) -> tuple[AgreementCurve, go.Figure]:
    """Compute the curve once per photo, pair of network runs and NMS thresholds, and make its chart.

    A session has a chart of its own, as each marks its thresholds in it.

    runs: weights and input size of each model. Two resize modes can give the same input size and still feed
    different pixels, so `modes` (resize mode, scales, rotated) are part of the key.
    """
    first, second = (
        select(result.detections, CANDIDATE_FLOOR, nms_iou)
        for result, nms_iou in zip(_comparison.results.values(), nms_ious, strict=True)
    )
    curve = agreement_curve(first, second, _CONFIDENCES.tolist())
    entries = [detector_entry(key) for key in _comparison.faces]
    current = {key: settings.confidence for key, settings in _comparison.settings.items()}
    return curve, threshold_chart(curve, entries[0], entries[1], current)


def _found_at(comparison: Comparison, pairs: np.ndarray) -> dict[str, list[str]]:
    """Return a column with the pass that found each matched face, for models that ran more than once."""
    columns = {}
    for column, (key, faces) in enumerate(comparison.faces.items()):
        if faces.found_by is not None:
            matched = faces[pairs[:, column]]
            columns[f"{detector_entry(key).short_name} found at"] = _pass_names(
                matched, comparison.results[key]
            )
    return columns


def _show_matches(comparison: Comparison) -> None:
    """Show the faces that both models found, one per row."""
    st.subheader("Matched faces", anchor=False)
    found = comparison.agreement
    if found is None or found.both == 0:
        st.caption("No face was found by both models at these thresholds.")
        return
    first, second = comparison.faces
    names = detector_entry(first).short_name, detector_entry(second).short_name
    table = pd.DataFrame(
        {
            "Match": np.arange(1, found.both + 1),
            "IoU": found.iou,
            f"{names[0]} score": comparison.faces[first].scores[found.pairs[:, 0]],
            f"{names[1]} score": comparison.faces[second].scores[found.pairs[:, 1]],
            **_found_at(comparison, found.pairs),
            "Score difference": np.round(found.score_difference, 3) + 0.0,  # -0.0 becomes 0.0
            "Landmark distance (px)": found.landmark_distance,
            "Landmark distance (% of face size)": 100 * found.relative_landmark_distance,
        }
    )
    decimals = {
        name: 1 if "distance" in name else 3 for name in table.columns[1:] if table[name].dtype.kind == "f"
    }
    st.dataframe(
        table,
        hide_index=True,
        height=min(_TABLE_HEIGHT, _ROW_HEIGHT * (found.both + 1) + 3),
        column_config={
            name: st.column_config.NumberColumn(format=f"%.{digits}f") for name, digits in decimals.items()
        },
        alt="Faces found by both models, with IoU, scores, score difference and landmark distance",
    )
    st.caption(
        f"Score difference: {names[0]} minus {names[1]}. Landmark distance: mean over the five landmarks, in "
        "pixels and as a percentage of the face size (square root of the mean box area)."
    )
