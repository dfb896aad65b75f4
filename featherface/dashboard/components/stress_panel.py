"""The Robustness page's photo section: recall under a corruption, which model breaks first, and the photo."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from featherface.checkpoints import WeightsError
from featherface.config import DEFAULT_NMS_IOU
from featherface.dashboard.components.compared_panels import compared_panels
from featherface.dashboard.components.detection_sliders import choose_confidence, choose_longer_side
from featherface.dashboard.components.viewer import show_viewer
from featherface.dashboard.components.widgets import plain, show_chart
from featherface.dashboard.state.photos import PhotoFile, decoded
from featherface.dashboard.state.shared_service import model_service
from featherface.detection.detections import Detections
from featherface.detection.drawing import encode_image
from featherface.detection.images import Photo
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.errors import FeatherFaceError
from featherface.models import MODELS
from featherface.reporting.figures.robustness_figures import recall_lines
from featherface.reporting.wording import faces_text
from featherface.robustness.corruptions import CORRUPTIONS, SEVERITIES
from featherface.robustness.photo_stress import (
    ALL_SEVERITIES,
    Detect,
    PhotoStress,
    SeverityResult,
    at_input_size,
    stress_photo,
)
from featherface.serving.network_queue import OnWait
from featherface.study.story import breaking_sentence

__all__ = ["choose_corruption", "show_photo_stress", "stressed_photo"]

_RUNS_KEPT = 128  # of all sessions: boxes alone, some kilobytes each
_DEFAULT_CORRUPTION = "defocus_blur"


def choose_corruption() -> tuple[str, DetectionSettings]:
    """Show the choice of a corruption, its formula, confidence and input size.

    Returns the corruption's key and the settings of both models.
    """
    keys = list(CORRUPTIONS)
    choice, confidence_column, size_column = st.columns(3, gap="medium")
    chosen = choice.selectbox(
        "Corruption",
        keys,
        index=keys.index(_DEFAULT_CORRUPTION),
        format_func=lambda key: CORRUPTIONS[key].name,
        key="corruption",
        bind="query-params",
    )
    with confidence_column:
        confidence = choose_confidence("stress_conf")
    with size_column:
        input_size = choose_longer_side(
            "stress_input_size",
            "The photo is scaled to this size before it is corrupted, so that noise and blur act on the "
            "pixels that the networks get.",
        )
    st.caption(plain(_formula_text(CORRUPTIONS[chosen].formula)))
    return chosen, DetectionSettings(
        confidence, DEFAULT_NMS_IOU, resize=Resize.ORIGINAL, input_size=input_size
    )


def _formula_text(formula: str) -> str:
    """Return the formula and what the symbols in it stand for."""
    text = f"Formula: {formula} at severities 1 to 5."
    if re.search(r"\bx\b", formula):
        text += " x is the clean photo with values from 0 to 1."
    if re.search(r"\bs px\b", formula):
        text += " Lengths are for a photo of 640 pixels and grow with it."
    return text


@st.fragment
def show_photo_stress(
    file: PhotoFile, corruption: str, keys: Sequence[str], settings: DetectionSettings
) -> None:
    """Run both models on the corrupted photo, with progress, and show what follows.

    A model that cannot run is one sentence on the page.
    """
    try:
        _show_stress(file, corruption, keys, settings)
    except FeatherFaceError as error:
        st.error(plain(str(error)), icon=":material/error:")


def _show_stress(file: PhotoFile, corruption: str, keys: Sequence[str], settings: DetectionSettings) -> None:
    photo = at_input_size(decoded(file), settings.input_size)
    stress = stressed_photo(photo, corruption, keys, settings)
    if stress.faces == 0:
        st.info(
            "No face in the clean photo was found by both models, so recall cannot be measured. Choose "
            "another photo or a lower confidence.",
            icon=":material/face:",
        )
        return
    breaks = {key: stress.breaks_at(key) for key in keys}
    st.markdown(f"**{breaking_sentence(breaks, 'half of the faces')}.**")
    st.caption(
        f"Recall counts the {faces_text(stress.faces)} that both models find in the clean photo (IoU 0.5 or "
        "more). One photo is an example, not a measurement; that takes labelled images, as described below."
    )
    curves, controls = st.columns([3, 2], gap="large")
    with controls:
        severity = st.select_slider(
            "Severity in the viewer", ALL_SEVERITIES, SEVERITIES[2], key="severity", bind="query-params"
        )
        _show_counts(stress.steps[severity], keys)
    with curves:
        _show_curves(stress, corruption, keys, severity)
    _show_photo(file, photo, corruption, stress, keys, severity)


def stressed_photo(
    photo: Photo, corruption: str, keys: Sequence[str], settings: DetectionSettings
) -> PhotoStress:
    """Return the results at all severities; the networks run once per photo, model and settings.

    The first run shows its progress. Raises FeatherFaceError where a model cannot run.
    """
    service = model_service()
    states = [service.weights_info(key) for key in keys]
    for state in states:
        if state.weights is None:
            raise WeightsError(state.message)
    checksums = tuple(state.weights.sha256 for state in states if state.weights is not None)
    kept = _kept_result(photo.digest, corruption, tuple(keys), checksums, settings)
    if not kept:
        kept[:] = [_run_with_progress(photo, corruption, keys, settings)]
    return kept[0]


@st.cache_resource(max_entries=_RUNS_KEPT, show_spinner=False)
def _kept_result(
    digest: str,
    corruption: str,
    keys: tuple[str, ...],
    checksums: tuple[str, ...],
    settings: DetectionSettings,
) -> list[PhotoStress]:
    """Return where the result of one run is kept: a list that is empty until the run has finished."""
    return []


def _run_with_progress(
    photo: Photo, corruption: str, keys: Sequence[str], settings: DetectionSettings
) -> PhotoStress:
    bar = st.progress(0.0, "Running both models on the clean photo")
    steps: list[SeverityResult] = []

    def show_position(position: int) -> None:
        bar.progress(len(steps) / len(ALL_SEVERITIES), f"Waiting: position {position} in the queue.")

    for step in stress_photo(photo, CORRUPTIONS[corruption], _detectors(keys, settings, show_position)):
        steps.append(step)
        bar.progress(
            len(steps) / len(ALL_SEVERITIES), f"Severity {step.severity} of {ALL_SEVERITIES[-1]} is done"
        )
    bar.empty()
    return PhotoStress(tuple(steps))


def _detectors(keys: Sequence[str], settings: DetectionSettings, on_wait: OnWait) -> Mapping[str, Detect]:
    """Return what finds the faces of one photo, by model: passes through the service's queue."""

    def find(key: str, photo: Photo) -> Detections:
        return model_service().detect(photo, key, settings, on_wait=on_wait).detections

    return {key: partial(find, key) for key in keys}


def _show_counts(step: SeverityResult, keys: Sequence[str]) -> None:
    for key in keys:
        others = step.other_boxes(key)
        st.metric(
            f"{MODELS[key].name}: agreed faces found",
            f"{step.matched[key]} of {len(step.truth)}",
            f"{others} other {'box' if others == 1 else 'boxes'}",
            delta_color="off",
            delta_arrow="off",
            help="Other boxes match no agreed face: a false positive, or a face that only one model finds.",
        )


def _show_curves(stress: PhotoStress, corruption: str, keys: Sequence[str], severity: int) -> None:
    summary = "; ".join(
        f"{MODELS[key].name}: " + ", ".join(f"{100 * step.recall(key):.0f}%" for step in stress.steps)
        for key in keys
    )
    show_chart(
        recall_lines(stress, keys, severity),
        name=f"robustness_{corruption}",
        alt=f"Recall at severities 0 to 5 of {CORRUPTIONS[corruption].name.lower()}. {summary}",
        data=_table(stress, corruption, keys),
    )


def _table(stress: PhotoStress, corruption: str, keys: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Corruption": CORRUPTIONS[corruption].name,
            "Severity": step.severity,
            "Model": MODELS[key].name,
            "Agreed faces": len(step.truth),
            "Found": step.matched[key],
            "Recall": step.recall(key),
            "Other boxes": step.other_boxes(key),
        }
        for step in stress.steps
        for key in keys
    )


def _show_photo(
    file: PhotoFile, photo: Photo, corruption: str, stress: PhotoStress, keys: Sequence[str], severity: int
) -> None:
    """Show the photo at the chosen severity. It is made again each time: no photo outlives its session."""
    name = CORRUPTIONS[corruption].name
    st.subheader(f"{name}, severity {severity}" if severity else "Clean photo")
    corrupted = CORRUPTIONS[corruption].apply(photo, stress.steps[0].truth, severity).photo
    title = f"{file.name} with {name.lower()} of severity {severity}"
    found = {key: stress.steps[severity].found[key] for key in keys}
    show_viewer(
        f"{file.key}:{corruption}:{severity}",
        encode_image(corrupted.pixels, "jpeg"),
        (corrupted.width, corrupted.height),
        compared_panels(title, found, "No face found at this severity.", _notes),
        landmarks=False,
        scores=True,
    )
    st.caption("Filled boxes mark faces found by only one model.")


def _notes(faces: Detections) -> list[str]:
    return [f"Score {score:.3f}" for score in faces.scores.tolist()]
