"""The settings of the Detection page. All but the weights are part of the page's address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum

import streamlit as st

from featherface.checkpoints import WeightsFile, user_checkpoints
from featherface.config import DEFAULT_INPUT_SIZE, INPUT_SIZE_RANGE, weights_folder
from featherface.dashboard.components.detection_sliders import choose_confidence, choose_nms_iou
from featherface.dashboard.components.detector_files_panel import choose_detector_files, show_detector_upload
from featherface.dashboard.components.model_pair import choose_detector_pair
from featherface.dashboard.components.widgets import plain, required_choice
from featherface.detection.drawing import Hide
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, Scales
from featherface.models import detector_entry

__all__ = [
    "HIDE_CHOICES",
    "RESIZE_LABELS",
    "Display",
    "FilterBar",
    "NetworkInput",
    "View",
    "choose_filters",
    "choose_hiding",
    "choose_network_input",
    "choose_shipped_weights",
    "choose_view",
]

RESIZE_LABELS: Mapping[Resize, str] = {
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
_SLIDERS_WIDTH = 460  # pixels; on a narrow screen, all there are
_SHIPPED = "Shipped with the project"


class View(StrEnum):
    """How the models are compared."""

    SIDE_BY_SIDE = "Side by side"
    WIPE = "Wipe"
    ALL_PHOTOS = "All photos"


@dataclass(frozen=True)
class NetworkInput:
    """What a run of the networks depends on; `weights` holds files of users by model, where chosen."""

    models: tuple[str, str]  # the two that are compared
    resize: Resize
    input_size: int
    weights: Mapping[str, WeightsFile]
    scales: Scales = Scales.ONE
    rotated: bool = False

    @property
    def settings(self) -> DetectionSettings:
        """The settings of the runs, with the default thresholds."""
        return DetectionSettings(
            resize=self.resize, input_size=self.input_size, scales=self.scales, rotated=self.rotated
        )


@dataclass(frozen=True)
class Display:
    """How faces are drawn."""

    landmarks: bool
    scores: bool
    differences: bool  # only the faces that one of the two models found
    hide: Hide | None
    truth: bool = False  # also the checked faces of a sample


@dataclass(frozen=True)
class FilterBar:
    """Where `choose_filters` shows its settings, and whether faces are hidden, which the whole page needs."""

    sliders: AbstractContextManager[object]
    popover: AbstractContextManager[object]
    hide: Hide | None


def choose_view() -> View:
    """Ask how the models are compared."""
    return required_choice("View", list(View), View.SIDE_BY_SIDE, "view", width="content")


def choose_network_input() -> NetworkInput:
    """Show the settings that make the networks run again."""
    with st.popover("Network input and weights", icon=":material/tune:"):
        resize = required_choice(
            "Resize the photo",
            list(Resize),
            Resize.FIT,
            "resize",
            format_func=RESIZE_LABELS.__getitem__,
            help="The study stretches every photo to a square. That distorts faces and lowers accuracy.",
        )
        input_size = st.slider(
            _SIDE_LABEL[resize],
            *INPUT_SIZE_RANGE,
            DEFAULT_INPUT_SIZE,
            step=32,
            key="input_size",
            disabled=resize is Resize.ORIGINAL,
            bind="query-params",
        )
        scales, rotated = _choose_passes(resize)
        models = choose_detector_pair()
        weights = {**_choose_weights(models), **choose_detector_files(models)}
        show_detector_upload()
    return NetworkInput(models, resize, input_size, weights, scales, rotated)


def _choose_passes(resize: Resize) -> tuple[Scales, bool]:
    """Ask whether the networks run more than once per photo."""
    # one key per default: in the address only a choice other than the default appears
    several = st.toggle(
        "Several sizes",
        value=resize is Resize.FIT,
        key=f"scales_{resize.value}",
        bind="query-params",
        help="Also runs close-ups at half the size, and photos with small faces at their original size. An "
        "ordinary photo still takes one run. Off in the study.",
    )
    rotated = st.toggle(
        "Detect rotated faces",
        key="rotated",
        bind="query-params",
        help="Also searches the photo turned by 90, 180 and 270 degrees. Takes four times as long.",
    )
    return Scales.AUTO if several else Scales.ONE, rotated


def choose_hiding() -> FilterBar:
    """Ask whether faces are hidden, in the bar that `choose_filters` completes once the networks have run.

    Photos are shown before that, so this choice cannot wait for the others.
    """
    sliders = st.container(width="content")
    with st.popover("Filters and display", icon=":material/visibility:"):
        others = st.container()
        hide = required_choice(
            "Hide faces",
            list(HIDE_CHOICES),
            "Off",
            "faces",
            wrap=True,
            help="Hides every face that any model found, on this page and in its downloads; thumbnails are "
            "hidden entirely. A face that all models miss stays visible: check before you share. Other pages "
            "show photos as they are.",
        )
    return FilterBar(sliders, others, HIDE_CHOICES[hide])


def choose_filters(
    keys: Sequence[str], given: NetworkInput, bar: FilterBar
) -> tuple[dict[str, DetectionSettings], Display]:
    """Show the confidence threshold, and the rarely changed settings in a popover; all take effect at once.

    Returns the settings of each model and how faces are drawn. Raises SettingsError for values outside the
    ranges.
    """
    with bar.popover:
        linked = st.toggle(
            "Same thresholds for both models",
            value=True,
            key="linked",
            wrap=True,
            bind="query-params",
            on_change=_separate,
            args=(keys,),
        )
        names = {"": ""} if linked else {f"_{key}": f"{detector_entry(key).short_name}: " for key in keys}
        nms_ious = [choose_nms_iou(f"nms{suffix}", prefix=prefix) for suffix, prefix in names.items()]
        display = _choose_display(bar.hide)
    with bar.sliders, st.container(horizontal=True, width=_SLIDERS_WIDTH):
        confidences = [choose_confidence(f"conf{suffix}", prefix=prefix) for suffix, prefix in names.items()]
    if linked:
        confidences, nms_ious = confidences * len(keys), nms_ious * len(keys)
    settings = {
        key: replace(given.settings, confidence=confidence, nms_iou=nms_iou)
        for key, confidence, nms_iou in zip(keys, confidences, nms_ious, strict=True)
    }
    return settings, display


def _choose_display(hide: Hide | None) -> Display:
    landmarks = st.toggle("Landmarks", value=True, key="landmarks", bind="query-params")
    scores = st.toggle("Scores", value=True, key="scores", bind="query-params")
    differences = st.toggle(
        "Show differences only",
        key="differences",
        wrap=True,
        bind="query-params",
        help="Draw only the faces that one model found and the other did not.",
    )
    truth = st.toggle(
        "Ground truth",
        key="truth",
        bind="query-params",
        help="Draw the hand-checked faces of a sample. Faces that you marked yourself are always drawn.",
    )
    return Display(landmarks, scores, differences, hide, truth)


def _separate(keys: Sequence[str]) -> None:
    """Start each model's own sliders at the shared values."""
    if not st.session_state["linked"]:
        for key in keys:
            for name in ("conf", "nms"):
                st.session_state[f"{name}_{key}"] = st.session_state[name]


def choose_shipped_weights(models: Sequence[str]) -> None:
    """Undo the choice of own checkpoints for `models`, before the page that offers them opens."""
    for key in models:
        if f"weights_{key}" in st.session_state:
            st.session_state[f"weights_{key}"] = _SHIPPED


def _choose_weights(models: Sequence[str]) -> dict[str, WeightsFile]:
    """Offer the checkpoints found in the weights folder; say why one cannot be used."""
    checkpoints = user_checkpoints(weights_folder())
    usable = [checkpoint.weights for checkpoint in checkpoints if checkpoint.weights is not None]
    chosen = {}
    for key in models:
        own = {file.path.name: file for file in usable if file.key == key}
        if own:
            name = st.selectbox(
                f"{detector_entry(key).name} weights",
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
