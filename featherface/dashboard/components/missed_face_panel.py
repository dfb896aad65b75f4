"""Why a face was missed: a spot in the photo, one sentence per model, and what changes of the photo do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import cv2
import numpy as np
import streamlit as st

from featherface.checkpoints import WeightsError, WeightsFile
from featherface.dashboard.components.ground_truth_panel import show_spot_buttons
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.state.marked_faces import examined_spot, spot_fields
from featherface.dashboard.state.photos import PhotoFile, decoded
from featherface.dashboard.state.shared_service import model_service
from featherface.detection.boxes import clip_boxes
from featherface.detection.detector import RawResult
from featherface.detection.drawing import Hide
from featherface.detection.images import ImageError, Photo
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.models import OTHER_DETECTORS, detector_entry
from featherface.profiling.receptive_field import receptive_fields
from featherface.reporting.comparison import Comparison
from featherface.reporting.missed_face_text import missed_face_text
from featherface.robustness.missed_faces import Attempt, Cause, Spot, attempts, explain
from featherface.robustness.suggested_box import suggested_box
from featherface.serving.model_service import UntrainedError
from featherface.serving.network_queue import ServiceBusyError

__all__ = ["show_missed_faces"]

_LONGEST = 2560  # pixels; a larger photo is scaled down first, which the networks do too
_THUMBNAIL = 150  # pixels, longer side
_AROUND = 2.0  # a thumbnail shows so many times the face
_CHOICE_WIDTH, _NUMBER_WIDTH = 420, 140  # pixels; two numbers fit beside each other on a phone


def show_missed_faces(
    file: PhotoFile,
    comparison: Comparison,
    weights: Mapping[str, WeightsFile],
    marked: Spot | None,
    hide: Hide | None,
) -> None:
    """Show why each model did or did not find a face at the spot that a person marks.

    hide: make the detected faces unrecognisable in what is shown; the models still get the photo itself.
    """
    st.subheader("Why was this face missed?", anchor=False)
    st.caption(
        "Click or tap a face in the photo, draw a box around it, choose one that only one model found, or "
        "enter its position."
    )
    spot = _choose_spot(file.key, comparison, marked)
    if spot is None:
        return
    show_spot_buttons(file.key, spot, comparison, spot_fields(file.key))
    try:
        with st.spinner("Trying changes of the photo"):
            photo = decoded(file).shrunk(_LONGEST)
            shown = photo if hide is None else comparison.hidden(photo, hide)
            columns = st.columns(len(comparison.faces), gap="large")
            for column, key in zip(columns, comparison.faces, strict=True):
                with column:
                    _show_model(key, file, (photo, shown), spot, comparison, weights.get(key))
    except (ImageError, UntrainedError, WeightsError, ServiceBusyError) as error:
        st.error(plain(str(error)), icon=":material/error:")


def _choose_spot(photo_key: str, comparison: Comparison, marked: Spot | None) -> Spot | None:
    """Return the marked spot in pixels of the photo; None until one is marked."""
    names = spot_fields(photo_key)
    if marked is not None:
        x1, y1, x2, y2 = marked.box or (marked.x1, marked.y1, marked.x1, marked.y1)
        size = (int(x2 - x1) or None, int(y2 - y1) or None)  # a point has none: its fields stay empty
        _mark(names, (int(x1), int(y1), *size))
    differences = _differences(comparison)
    chosen = f"missed_choice_{photo_key}"
    width, height = comparison.width, comparison.height
    fields = (
        ("x (px)", 0, width - 1, None),
        ("y (px)", 0, height - 1, None),
        ("Width (px)", 1, width, "Optional"),
        ("Height (px)", 1, height, "Optional"),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Face found by one model only",
            list(differences),
            index=None,
            key=chosen,
            placeholder="Choose a face" if differences else "None in this photo",
            disabled=not differences,
            on_change=partial(_mark_chosen, names, differences, chosen),
            width=_CHOICE_WIDTH,
        )
        for (label, low, high, hint), name in zip(fields, names, strict=True):
            st.number_input(
                label, low, high, value=None, step=1, key=name, placeholder=hint, width=_NUMBER_WIDTH
            )
    return examined_spot(photo_key)


def _mark(names: Sequence[str], values: Sequence[int | None]) -> None:
    for name, value in zip(names, values, strict=True):
        st.session_state[name] = value


def _mark_chosen(names: Sequence[str], differences: Mapping[str, tuple[int, ...]], chosen: str) -> None:
    label = st.session_state[chosen]
    if label is not None:
        _mark(names, differences[label])


def _differences(comparison: Comparison) -> dict[str, tuple[int, ...]]:
    """Return x, y, width and height of the faces that only one model found, by what people read."""
    size = comparison.width, comparison.height
    found: dict[str, tuple[int, ...]] = {}
    for key, faces in comparison.faces.items():
        alone = faces[np.flatnonzero(comparison.partners(key) < 0)] if comparison.agreement else faces[:0]
        for box, score in zip(clip_boxes(alone.boxes, *size).tolist(), alone.scores.tolist(), strict=True):
            x, y = int(box[0]), int(box[1])
            width, height = round(box[2]) - x, round(box[3]) - y
            label = f"{detector_entry(key).short_name} only, {score:.2f}: {width} × {height} px at ({x}, {y})"
            if min(width, height) > 0 and x < size[0] and y < size[1]:
                found[label] = (x, y, width, height)
    return found


def _show_model(
    key: str,
    file: PhotoFile,
    photos: tuple[Photo, Photo],
    spot: Spot,
    comparison: Comparison,
    own: WeightsFile | None,
) -> None:
    """Show the sentence of one model and a thumbnail of each change.

    photos: the one that the model gets, and the one that is shown.
    """
    if key in OTHER_DETECTORS:
        st.markdown(
            f"**{detector_entry(key).name}**: not available. The explanation reads FeatherFace's anchors and "
            "receptive fields, which this detector does not have."
        )
        return
    photo, shown = photos
    result, settings = comparison.results[key], comparison.settings[key]
    factor = photo.width / comparison.width
    here = _scaled(spot, factor)
    height, width = result.input_size
    scale = (width * height / (photo.width * photo.height)) ** 0.5
    candidates = result.detections.scaled(factor, factor)
    found = here.there(comparison.faces[key].scaled(factor, factor)).any()
    tried = () if found else _attempts(file.key, key, result.weights.sha256, here, settings, photo, own)
    explanation = explain(candidates, here, settings, scale, tried)
    if explanation.cause is Cause.TOO_LARGE:  # only then is the receptive field worth seconds
        explanation = explain(candidates, here, settings, scale, tried, _receptive_field(key))
    st.markdown(plain(missed_face_text(detector_entry(key).name, explanation, settings)))
    around = np.array(_face_at(spot, comparison)) * factor
    with st.container(horizontal=True):
        for attempt in tried:
            verdict = "found" if attempt.found else "missed"
            outcome = f"{attempt.score:.2f}, {verdict}" if attempt.box else "no candidate"
            st.image(
                _thumbnail(shown, around, attempt, detector_entry(key).colour),
                caption=f"{attempt.change.name.capitalize()}: {outcome}",
                width=_THUMBNAIL,
                alt=f"The marked face {attempt.change.name}; {detector_entry(key).name}: {outcome}",
            )


def _receptive_field(key: str) -> int | None:
    """Return the widest receptive field in network pixels; None where it has no fixed limit."""
    fields = receptive_fields(key)
    return None if any(field.at_least for field in fields) else max(field.pixels for field in fields)


@st.cache_resource(max_entries=64, show_spinner=False)
def _attempts(
    photo_key: str,
    key: str,
    checksum: str,
    spot: Spot,
    settings: DetectionSettings,
    _photo: Photo,
    _own: WeightsFile | None,
) -> tuple[Attempt, ...]:
    """Run the model after each change; once per photo, weights, spot and settings."""

    def run(changed: Photo, resize: Resize, input_size: int) -> RawResult:
        result = model_service().candidates(changed, key, resize, input_size, weights=_own)
        return RawResult(result.detections, result.milliseconds, result.input_size)

    return attempts(_photo, spot, settings, run)


def _scaled(spot: Spot, factor: float) -> Spot:
    if spot.box is None:
        return Spot(spot.x1 * factor, spot.y1 * factor)
    return Spot(*(value * factor for value in spot.box))


def _face_at(spot: Spot, comparison: Comparison) -> tuple[float, float, float, float]:
    """Return the box that a face at the spot would have, in pixels of the photo."""
    candidates = [result.detections for result in comparison.results.values()]
    neighbours = np.concatenate([faces.boxes for faces in comparison.faces.values()])
    return suggested_box(spot, candidates, neighbours, (comparison.width, comparison.height))


def _thumbnail(photo: Photo, face: np.ndarray, attempt: Attempt, colour: str) -> np.ndarray:
    """Return what surrounds the box of the face, changed as the photo was, with the box that was found."""
    box = face if attempt.box is None else attempt.box
    centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = _AROUND * max(box[2] - box[0], box[3] - box[1]) / 2
    window = np.array([[centre_x - half, centre_y - half, centre_x + half, centre_y + half]])
    left, top, right, bottom = np.round(clip_boxes(window, photo.width, photo.height)[0]).astype(int).tolist()
    crop = photo.pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    zoom = _THUMBNAIL / max(crop.shape[:2])
    size = max(1, round(crop.shape[1] * zoom)), max(1, round(crop.shape[0] * zoom))
    view = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    if attempt.box is not None:
        corners = ((np.array(attempt.box).reshape(2, 2) - (left, top)) * zoom).round().astype(int).tolist()
        red, green, blue = bytes.fromhex(colour.removeprefix("#"))
        cv2.rectangle(view, corners[0], corners[1], (red, green, blue), 2)
    return np.ascontiguousarray(attempt.change.of_pixels(np.asarray(view, np.uint8)))
