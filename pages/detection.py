"""Detection: both models on a person's own photos, side by side.

The network runs once for a photo, model and input size; all that is in `comparison_view` only filters again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from featherface.checkpoints.files import WeightsError
from featherface.config import CANDIDATE_FLOOR, CONFIDENCE_RANGE
from featherface.dashboard.components.controls import (
    Display,
    NetworkInput,
    choose_display,
    choose_filters,
    choose_network_input,
)
from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.components.photo_strip import choose_photo
from featherface.dashboard.components.viewer import Panel, show_viewer
from featherface.dashboard.components.widgets import counted_faces, origin_badge, plain, show_chart
from featherface.dashboard.state.photos import FULL_SIZE, PhotoFile, Picture, decoded, picture
from featherface.dashboard.state.shared import machine, model_service
from featherface.detection.agreement import AgreementCurve, agreement_curve
from featherface.detection.detections import Detections
from featherface.detection.drawing import encode_picture
from featherface.detection.images import ImageError
from featherface.detection.postprocess import select
from featherface.detection.settings import SettingsError
from featherface.models import MODELS
from featherface.profiling.machine import Badge
from featherface.reporting.comparison import Comparison, compare
from featherface.reporting.figures.style import threshold_chart
from featherface.reporting.wording import when_text
from featherface.serving.model_service import DetectionResult, ServiceBusyError, UntrainedError

_ROW_HEIGHT = 35  # pixels, of a table
_TABLE_HEIGHT = 390
CONFIDENCES = np.arange(round(100 * CONFIDENCE_RANGE[0]), round(100 * CONFIDENCE_RANGE[1]) + 1) / 100


def run_networks(file: PhotoFile, given: NetworkInput) -> dict[str, DetectionResult]:
    """Return what each model makes of the photo; say in a sentence why one makes nothing."""
    results = {}
    for key in given.models:
        slot = st.empty()
        try:
            with slot, st.spinner(f"{MODELS[key].name} looks at the photo"):
                results[key] = model_service().candidates(
                    decoded(file),
                    key,
                    given.resize,
                    given.side,
                    weights=given.weights.get(key),
                    on_wait=lambda position, slot=slot: slot.info(f"Busy, position {position} in the queue."),
                )
            slot.empty()
        except UntrainedError as error:
            slot.warning(
                f"{error} It is left out here until weights for it lie in the folder `weights`.",
                icon=":material/model_training:",
            )
        except (WeightsError, ServiceBusyError) as error:
            slot.error(plain(str(error)), icon=":material/error:")
    return results


@st.fragment
def comparison_view(file: PhotoFile, given: NetworkInput, results: Mapping[str, DetectionResult]) -> None:
    """Show the pictures, the thresholds and everything that follows from them.

    Streamlit keeps the arguments for as long as the session lasts, so the picture, 4 MB, is none of them.
    """
    try:
        shown = picture(file)
    except ImageError as error:  # no cache has it any more, and there is no memory for it now
        st.error(plain(str(error)), icon=":material/error:")
        return
    pictures, controls = st.columns([4, 1], gap="medium")
    with controls:
        settings = choose_filters(tuple(results), given)
        display = choose_display()
    comparison = compare(file.name, (shown.width, shown.height), results, settings)
    with pictures:
        show_pictures(file, shown, comparison, display)
    show_numbers(comparison)
    if comparison.agreement is not None:
        chart, table = st.columns(2, gap="large")
        with chart:
            show_threshold_chart(file.key, comparison)
        with table:
            show_matches(comparison)
    show_downloads(file, comparison, display)


def show_pictures(file: PhotoFile, shown: Picture, comparison: Comparison, display: Display) -> None:
    """Show the photo once a model."""
    jpeg = shown.jpeg
    if display.hide is not None:
        jpeg = encode_picture(comparison.hidden(shown.small, display.hide).pixels, "jpeg")
    panels = [_panel(key, file, comparison, display) for key in comparison.faces]
    show_viewer(
        file.key,
        jpeg,
        (shown.width, shown.height),
        panels,
        landmarks=display.landmarks,
        scores=display.scores,
    )
    if comparison.agreement is not None:
        st.caption(
            "Filled boxes: faces that only this model found. Point at a face for its numbers. Zoom with the "
            "buttons, a pinch, a double click or Ctrl and the wheel; drag to move. On the keyboard, in a "
            "picture: \\+, \\-, 0 and the arrows."
        )


def _panel(key: str, file: PhotoFile, comparison: Comparison, display: Display) -> Panel:
    faces, partners = comparison.faces[key], comparison.partners(key)
    alone = np.flatnonzero(partners < 0)
    name = MODELS[key].name
    return Panel(
        name=name,
        colour=MODELS[key].colour,
        alt=f"{file.name}, {file.about}: {counted_faces(len(faces))} found by {name}",
        message=_message(key, comparison, nothing_differs=display.differences and len(alone) == 0),
        detections=faces,
        pairs=partners,
        shown=alone if display.differences else range(len(faces)),
        notes=_notes(faces, partners, comparison),
    )


def _message(key: str, comparison: Comparison, *, nothing_differs: bool) -> str:
    if len(comparison.faces[key]) == 0:
        best = comparison.results[key].detections.scores[:1]
        threshold = comparison.settings[key].confidence
        if len(best) == 0:
            return "No face in this photo, as far as this model can see."
        return f"No face scores above {threshold:.2f}. The likeliest spot reaches {best[0]:.2f}."
    if nothing_differs and comparison.agreement is not None:
        return "Every face found here was found by the other model too."
    return ""


def _notes(faces: Detections, partners: np.ndarray, comparison: Comparison) -> list[str]:
    """Return a tooltip for each face."""
    sizes = faces.boxes[:, 2:] - faces.boxes[:, :2]
    notes = []
    for (width, height), score, partner in zip(
        sizes.tolist(), faces.scores.tolist(), partners.tolist(), strict=True
    ):
        note = f"Score {score:.3f}\n{width:.0f} by {height:.0f} pixels"
        if comparison.agreement is not None:
            note += "\nFound by this model only" if partner < 0 else ""
        if partner >= 0:
            note += f"\nMatch {partner + 1}, IoU {comparison.agreement.iou[partner]:.2f}"
        notes.append(note)
    return notes


def show_numbers(comparison: Comparison) -> None:
    """Show a card a model and one for both."""
    columns = st.columns(len(comparison.faces) + (comparison.agreement is not None), border=True)
    for column, (key, faces) in zip(columns, comparison.faces.items(), strict=False):
        with column:
            _model_card(key, faces, comparison.results[key])
    found = comparison.agreement
    if found is not None:
        with columns[-1]:
            st.markdown("**Agreement**")
            with st.container(horizontal=True):
                st.metric("Found by both", found.both, width="content")
                for key, only in zip(comparison.faces, (found.only_first, found.only_second), strict=True):
                    st.metric(f"Only {key.upper()}", len(only), width="content")
            st.caption(f"{found.share:.0%} of all faces found were found by both, at IoU 0.5 or more.")


def _model_card(key: str, faces: Detections, result: DetectionResult) -> None:
    st.markdown(f"**{MODELS[key].name}**")
    with st.container(horizontal=True):
        st.metric("Faces", len(faces), width="content")
        st.metric("Mean confidence", f"{faces.scores.mean():.2f}" if len(faces) else "none", width="content")
        st.metric("Time", f"{sum(result.milliseconds.values()):.0f} ms", width="content")
    stages = ", ".join(f"{name} {spent:.1f}" for name, spent in result.milliseconds.items())
    height, width = result.input_size
    st.caption(f"Milliseconds: {stages}. Network input {width} by {height} pixels.")
    origin_badge(
        Badge.MEASURED,
        f"On {when_text(result.when)}, when the network ran on this photo, on {machine().processor}. "
        "A single run, beside whatever else the machine did then.",
    )


def show_threshold_chart(photo_key: str, comparison: Comparison) -> None:
    """Show how counts and agreement change with the confidence threshold."""
    st.subheader("Against the confidence threshold")
    first, second = (MODELS[key] for key in comparison.faces)
    runs = tuple((result.weights.sha256, result.input_size) for result in comparison.results.values())
    nms_ious = tuple(settings.nms_iou for settings in comparison.settings.values())
    curve = threshold_curve(photo_key, runs, nms_ious, comparison)
    current = {key: settings.confidence for key, settings in comparison.settings.items()}
    show_chart(
        threshold_chart(curve, first, second, current),
        name="faces_by_confidence",
        alt=f"Faces found by {first.name}, by {second.name} and by both, and their agreement, at each "
        f"confidence threshold; now {current[first.key]:.2f} and {current[second.key]:.2f}",
        data=pd.DataFrame(
            {
                "confidence": curve.confidences,
                f"faces_{first.key}": curve.first,
                f"faces_{second.key}": curve.second,
                "faces_both": curve.both,
                "agreement": curve.share,
            }
        ),
    )


@st.cache_resource(max_entries=256, show_spinner=False)
def threshold_curve(
    photo_key: str, runs: tuple, nms_ious: tuple[float, ...], _comparison: Comparison
) -> AgreementCurve:
    """Compute the curve once for a photo, two network runs and their NMS."""
    faces = [
        select(result.detections, CANDIDATE_FLOOR, nms_iou)
        for result, nms_iou in zip(_comparison.results.values(), nms_ious, strict=True)
    ]
    return agreement_curve(*faces, CONFIDENCES)


def show_matches(comparison: Comparison) -> None:
    """Show the faces that both found, one a row."""
    st.subheader("Matched faces")
    found = comparison.agreement
    if found.both == 0:
        st.caption("No face was found by both at these thresholds.")
        return
    first, second = comparison.faces
    table = pd.DataFrame(
        {
            "Match": np.arange(1, found.both + 1),
            "IoU": found.iou,
            f"Score {first.upper()}": comparison.faces[first].scores[found.pairs[:, 0]],
            f"Score {second.upper()}": comparison.faces[second].scores[found.pairs[:, 1]],
            "Difference": np.round(found.score_difference, 3) + 0.0,  # -0.0 becomes 0.0
            "Points, px": found.landmark_distance,
            "Points, %": 100 * found.relative_landmark_distance,
        }
    )
    decimals = {name: 1 if "Points" in name else 3 for name in table.columns[1:]}
    st.dataframe(
        table,
        hide_index=True,
        height=min(_TABLE_HEIGHT, _ROW_HEIGHT * (found.both + 1) + 3),
        column_config={
            name: st.column_config.NumberColumn(format=f"%.{digits}f") for name, digits in decimals.items()
        },
        alt="Faces found by both models, with overlap and differences of score and landmarks",
    )
    st.caption(
        f"Difference: score of {first.upper()} less that of {second.upper()}. Points: mean distance of "
        "the five landmarks, in pixels and in per cent of the face's side."
    )


def show_downloads(file: PhotoFile, comparison: Comparison, display: Display) -> None:
    """Offer pictures and numbers as files, made when asked for."""

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
        ("Pictures, PNG", f"{stem}.faces.png", "image/png", lambda: annotated("png")),
        ("Pictures, JPEG", f"{stem}.faces.jpg", "image/jpeg", lambda: annotated("jpeg")),
        ("Faces, JSON", f"{stem}.faces.json", "application/json", comparison.to_json),
        ("Faces, CSV", f"{stem}.faces.csv", "text/csv", comparison.to_csv),
        ("Faces, COCO", f"{stem}.coco.json", "application/json", comparison.to_coco),
    )
    st.subheader("Downloads")
    with st.container(horizontal=True):
        for label, name, mime, make in offers:
            download_button(
                label,
                make,
                name,
                mime,
                key=f"download_{label}",
                icon=":material/download:",
            )


st.title("Two face detectors on your photos")
st.caption(
    "FeatherFace V1 and its smaller successor V2, side by side. Your photos stay in memory while the "
    "page is open, and are never written to disk."
)
file = choose_photo()
given = choose_network_input()
try:
    results = run_networks(file, given)
    if results:
        comparison_view(file, given, results)
except (ImageError, SettingsError) as error:
    st.error(plain(str(error)), icon=":material/error:")
