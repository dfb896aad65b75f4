"""The settings of the detection page. All but the weights are part of the page's address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import streamlit as st

from featherface.checkpoints.files import WeightsFile, user_checkpoints
from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_NMS_IOU,
    DEFAULT_SIDE,
    NMS_IOU_RANGE,
    SIDE_RANGE,
)
from featherface.dashboard.components.widgets import plain, required_choice
from featherface.dashboard.state.shared import weights_folder
from featherface.detection.drawing import Hide
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS

__all__ = ["Display", "NetworkInput", "choose_display", "choose_filters", "choose_network_input"]

_RESIZE = {Resize.FIT: "Fit, keep shape", Resize.ORIGINAL: "Original size", Resize.STUDY: "As in the study"}
_SIDE_LABEL = {
    Resize.FIT: "Longer side, pixels",
    Resize.ORIGINAL: "Not used for original size",
    Resize.STUDY: "Side of the square, pixels",
}
_HIDE: Mapping[str, Hide | None] = {"Show": None, "Blur": "blur", "Pixelate": "pixelate"}
_SHIPPED = "Shipped with the project"


@dataclass(frozen=True)
class NetworkInput:
    """What decides on a run of the networks; `weights` holds a person's own files by model, if chosen."""

    models: tuple[str, str]  # the two that are compared
    resize: Resize
    side: int
    weights: Mapping[str, WeightsFile]


@dataclass(frozen=True)
class Display:
    """How faces are drawn."""

    landmarks: bool
    scores: bool
    differences: bool  # only the faces that one model alone found
    hide: Hide | None


def choose_network_input() -> NetworkInput:
    """Show the settings for which the networks run again."""
    with st.expander("Network input and weights", icon=":material/tune:"):
        resizing, size = st.columns([3, 2], gap="large")
        with resizing:
            resize = required_choice(
                "Resize the photo",
                list(Resize),
                Resize.FIT,
                "resize",
                format_func=_RESIZE.__getitem__,
                help="The study stretches every photo to a square, which squeezes faces and costs accuracy.",
            )
        side = size.slider(
            _SIDE_LABEL[resize],
            *SIDE_RANGE,
            DEFAULT_SIDE,
            step=32,
            key="side",
            disabled=resize is Resize.ORIGINAL,
            bind="query-params",
        )
        models = _choose_models()
        weights = _choose_weights(models)
    return NetworkInput(models, resize, side, weights)


def choose_filters(keys: Sequence[str], given: NetworkInput) -> dict[str, DetectionSettings]:
    """Show the thresholds, one for all models or one each, and return the settings of each model.

    Raises SettingsError for values that no slider of ours gives.
    """
    linked = st.toggle(
        "Same thresholds for both",
        value=True,
        key="linked",
        wrap=True,
        bind="query-params",
        on_change=_separate,
        args=(keys,),
    )
    if linked:
        thresholds = dict.fromkeys(keys, _threshold_sliders("", ""))
    else:
        thresholds = {key: _threshold_sliders(f"_{key}", f"{key.upper()}: ") for key in keys}
    return {
        key: DetectionSettings(confidence, nms_iou, resize=given.resize, side=given.side)
        for key, (confidence, nms_iou) in thresholds.items()
    }


def choose_display() -> Display:
    """Show what to draw."""
    landmarks = st.toggle("Landmarks", value=True, key="landmarks", bind="query-params")
    scores = st.toggle("Scores", value=True, key="scores", bind="query-params")
    differences = st.toggle(
        "Only differences",
        key="differences",
        wrap=True,
        bind="query-params",
        help="Draw only the faces that one of the two found and the other did not.",
    )
    hide = required_choice(
        "Faces in pictures",
        list(_HIDE),
        "Show",
        "faces",
        wrap=True,
        help="Make faces that either model found unrecognisable, here and in downloads. "
        "A face that both miss stays visible: look before you share.",
    )
    return Display(landmarks, scores, differences, _HIDE[hide])


def _threshold_sliders(suffix: str, prefix: str) -> tuple[float, float]:
    confidence = st.slider(
        f"{prefix}Confidence",
        *CONFIDENCE_RANGE,
        DEFAULT_CONFIDENCE,
        step=0.01,
        key=f"conf{suffix}",
        help="Faces score above it.",
        bind="query-params",
    )
    nms_iou = st.slider(
        f"{prefix}NMS IoU",
        *NMS_IOU_RANGE,
        DEFAULT_NMS_IOU,
        step=0.05,
        key=f"nms{suffix}",
        help="Of two boxes that overlap more than this, the better one stays.",
        bind="query-params",
    )
    return confidence, nms_iou


def _separate(keys: Sequence[str]) -> None:
    """Start each model's own sliders where the common ones stand."""
    if not st.session_state["linked"]:
        for key in keys:
            for name in ("conf", "nms"):
                st.session_state[f"{name}_{key}"] = st.session_state[name]


def _choose_models() -> tuple[str, str]:
    """Ask which two models to compare once there are more than two."""
    pairs = list(combinations(MODELS, 2))
    if len(pairs) == 1:
        return pairs[0]
    return st.selectbox(
        "Compare",
        pairs,
        format_func=lambda pair: " with ".join(MODELS[key].name for key in pair),
        key="pair",
        bind="query-params",
    )


def _choose_weights(models: Sequence[str]) -> dict[str, WeightsFile]:
    """Offer the checkpoints that somebody put into the weights folder; say why where one cannot be used."""
    checkpoints = user_checkpoints(weights_folder())
    usable = [checkpoint.weights for checkpoint in checkpoints if checkpoint.weights is not None]
    chosen = {}
    for column, key in zip(st.columns(len(models), gap="large"), models, strict=True):
        own = {file.path.name: file for file in usable if file.key == key}
        if own:
            name = column.selectbox(
                f"Weights of {MODELS[key].name}",
                [_SHIPPED, *own],
                key=f"weights_{key}",
                persist_state="session",
            )
            if name in own:
                chosen[key] = own[name]
    for checkpoint in checkpoints:
        if checkpoint.refusal is not None:
            st.caption(f":material/block: Not offered: {plain(checkpoint.refusal)}")
    if not checkpoints:
        st.caption("A checkpoint of your own, put into the folder `weights`, can be chosen here.")
    return chosen
