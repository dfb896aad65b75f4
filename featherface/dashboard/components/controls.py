"""The settings of the Detection page. All but the weights are part of the page's address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from featherface.checkpoints import WeightsFile, user_checkpoints
from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_NMS_IOU,
    DEFAULT_SIDE,
    NMS_IOU_RANGE,
    SIDE_RANGE,
    weights_folder,
)
from featherface.dashboard.components.model_pair import choose_model_pair
from featherface.dashboard.components.widgets import plain, required_choice
from featherface.detection.drawing import Hide
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, Scales
from featherface.models import MODELS

__all__ = [
    "HIDE_CHOICES",
    "Display",
    "NetworkInput",
    "choose_display",
    "choose_filters",
    "choose_network_input",
]

_RESIZE = {
    Resize.FIT: "Fit, keep aspect ratio",
    Resize.ORIGINAL: "Original size",
    Resize.STUDY: "Stretch, as in the study",
}
_SIDE_LABEL = {
    Resize.FIT: "Input size: longer side (px)",
    Resize.ORIGINAL: "Input size: same as the photo",
    Resize.STUDY: "Input size: square (px)",
}
HIDE_CHOICES: Mapping[str, Hide | None] = {"Off": None, "Blur": "blur", "Pixelate": "pixelate"}
_SHIPPED = "Shipped with the project"


@dataclass(frozen=True)
class NetworkInput:
    """What a run of the networks depends on; `weights` holds user checkpoints by model, where chosen."""

    models: tuple[str, str]  # the two that are compared
    resize: Resize
    side: int
    weights: Mapping[str, WeightsFile]
    scales: Scales = Scales.ONE
    rotated: bool = False

    @property
    def settings(self) -> DetectionSettings:
        """The settings of the runs, with the default thresholds."""
        return DetectionSettings(resize=self.resize, side=self.side, scales=self.scales, rotated=self.rotated)


@dataclass(frozen=True)
class Display:
    """How faces are drawn."""

    landmarks: bool
    scores: bool
    differences: bool  # only the faces that one of the two models found
    hide: Hide | None


def choose_network_input() -> NetworkInput:
    """Show the settings that make the networks run again."""
    with st.expander("Network input and weights", icon=":material/tune:"):
        resizing, size = st.columns([3, 2], gap="large")
        with resizing:
            resize = required_choice(
                "Resize the photo",
                list(Resize),
                Resize.FIT,
                "resize",
                format_func=_RESIZE.__getitem__,
                help="The study stretches every photo to a square. That distorts faces and lowers accuracy.",
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
        scales, rotated = _choose_passes(resize)
        models = choose_model_pair()
        weights = _choose_weights(models)
    return NetworkInput(models, resize, side, weights, scales, rotated)


def _choose_passes(resize: Resize) -> tuple[Scales, bool]:
    """Ask whether the networks run more than once per photo."""
    sizes, turns = st.columns(2, gap="large")
    # one key per default: in the address only a choice other than the default appears
    several = sizes.toggle(
        "Several sizes",
        value=resize is Resize.FIT,
        key=f"scales_{resize.value}",
        bind="query-params",
        help="Also runs close-ups at half the size, and photos with small faces at their original size. An "
        "ordinary photo still takes one run. Off in the study.",
    )
    rotated = turns.toggle(
        "Detect rotated faces",
        key="rotated",
        bind="query-params",
        help="Also searches the photo turned by 90, 180 and 270 degrees. Takes four times as long.",
    )
    return Scales.AUTO if several else Scales.ONE, rotated


def choose_filters(keys: Sequence[str], given: NetworkInput) -> dict[str, DetectionSettings]:
    """Show the thresholds, shared or per model, and return the settings of each model.

    Raises SettingsError for values outside the ranges.
    """
    linked = st.toggle(
        "Same thresholds for both models",
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
        thresholds = {key: _threshold_sliders(f"_{key}", f"{MODELS[key].short_name}: ") for key in keys}
    return {
        key: replace(given.settings, confidence=confidence, nms_iou=nms_iou)
        for key, (confidence, nms_iou) in thresholds.items()
    }


def choose_display() -> Display:
    """Show the drawing options."""
    landmarks = st.toggle("Landmarks", value=True, key="landmarks", bind="query-params")
    scores = st.toggle("Scores", value=True, key="scores", bind="query-params")
    differences = st.toggle(
        "Show differences only",
        key="differences",
        wrap=True,
        bind="query-params",
        help="Draw only the faces that one model found and the other did not.",
    )
    hide = required_choice(
        "Hide faces",
        list(HIDE_CHOICES),
        "Off",
        "faces",
        wrap=True,
        help="Hides every face that any model found, here and in downloads. A face that all models miss "
        "stays visible: check before you share.",
    )
    return Display(landmarks, scores, differences, HIDE_CHOICES[hide])


def _threshold_sliders(suffix: str, prefix: str) -> tuple[float, float]:
    confidence = st.slider(
        f"{prefix}Confidence",
        *CONFIDENCE_RANGE,
        DEFAULT_CONFIDENCE,
        step=0.01,
        key=f"conf{suffix}",
        help="Keep faces with a score above this threshold.",
        bind="query-params",
    )
    nms_iou = st.slider(
        f"{prefix}NMS IoU",
        *NMS_IOU_RANGE,
        DEFAULT_NMS_IOU,
        step=0.05,
        key=f"nms{suffix}",
        help="Non-maximum suppression: of two boxes that overlap more than this, keep the higher-scoring "
        "one.",
        bind="query-params",
    )
    return confidence, nms_iou


def _separate(keys: Sequence[str]) -> None:
    """Start each model's own sliders at the shared values."""
    if not st.session_state["linked"]:
        for key in keys:
            for name in ("conf", "nms"):
                st.session_state[f"{name}_{key}"] = st.session_state[name]


def _choose_weights(models: Sequence[str]) -> dict[str, WeightsFile]:
    """Offer the checkpoints found in the weights folder; say why one cannot be used."""
    checkpoints = user_checkpoints(weights_folder())
    usable = [checkpoint.weights for checkpoint in checkpoints if checkpoint.weights is not None]
    chosen = {}
    for column, key in zip(st.columns(len(models), gap="large"), models, strict=True):
        own = {file.path.name: file for file in usable if file.key == key}
        if own:
            name = column.selectbox(
                f"{MODELS[key].name} weights",
                [_SHIPPED, *own],
                key=f"weights_{key}",
                persist_state="session",
            )
            if name in own:
                chosen[key] = own[name]
    for checkpoint in checkpoints:
        if checkpoint.refusal is not None:
            st.caption(f":material/block: Cannot be used: {plain(checkpoint.refusal)}")
    if not checkpoints:
        st.caption("To use your own checkpoint, put it into the `weights` folder; it will be listed here.")
    return chosen
