"""A hint that the models find more faces in a photo when its size is not reduced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from featherface.checkpoints import WeightsError
from featherface.config import MAX_INPUT_PIXELS
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.state.photos import PhotoFile
from featherface.dashboard.state.remembered_candidates import find_candidates, remembered_candidates
from featherface.detection.detections import Detections
from featherface.detection.images import ImageError
from featherface.detection.multiscale import has_more_pixels
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, Scales
from featherface.models import detector_entry
from featherface.reporting.comparison import Comparison
from featherface.serving.model_service import UntrainedError
from featherface.serving.network_queue import ServiceBusyError

__all__ = ["show_larger_input_hint"]

_WORTH_WAITING = 1.0  # seconds; what takes longer waits for a button


def show_larger_input_hint(file: PhotoFile, comparison: Comparison) -> None:
    """Say how many more faces the models find at the photo's original size, if they saw it smaller.

    Nothing is shown with several sizes, which include the original size where faces are small.
    """
    if not any(_is_reduced(comparison, key) for key in comparison.results):
        return
    settings = {
        key: replace(given, resize=Resize.ORIGINAL, scales=Scales.ONE, rotated=False)
        for key, given in comparison.settings.items()
    }
    seconds = _estimate(comparison)
    if remembered_candidates(file.key, comparison.results, settings) is None:
        slot = st.empty()
        if seconds > _WORTH_WAITING and not slot.button(
            f"Check a larger input (about {seconds:.0f} s)", icon=":material/zoom_in:", key="larger_input"
        ):
            return
        try:
            with slot, st.spinner("Running the models at the photo's original size"):
                find_candidates(file, comparison.results, settings)
        except (ImageError, UntrainedError, WeightsError, ServiceBusyError) as error:
            slot.error(plain(str(error)), icon=":material/error:")
            return
        slot.empty()
    found = remembered_candidates(file.key, comparison.results, settings)
    if found is not None:
        _show(comparison, settings, found)


def _show(
    comparison: Comparison, settings: Mapping[str, DetectionSettings], found: Mapping[str, Detections]
) -> None:
    more = {}
    for key, candidates in found.items():
        faces = select(candidates, settings[key].confidence, settings[key].nms_iou, settings[key].top_k)
        more[key] = len(faces) - len(comparison.faces[key])
    parts = [
        f"{count} more with {detector_entry(key).short_name}" for key, count in more.items() if count > 0
    ]
    if parts:
        st.info(
            f"A larger input finds more faces: {' and '.join(parts)}. Turn on “Several sizes” or choose "
            "“Original size” under “Network input and weights”.",
            icon=":material/zoom_in:",
        )
    elif st.session_state.get("larger_input"):  # the answer to the button
        st.caption("A larger input does not find more faces.")


def _is_reduced(comparison: Comparison, key: str) -> bool:
    """Return whether a model saw the photo in one size, clearly smaller than it is."""
    settings, size = comparison.settings[key], comparison.results[key].input_size
    if settings.scales is not Scales.ONE or settings.resize is Resize.ORIGINAL:
        return False
    return has_more_pixels(comparison.width, comparison.height, size)


def _estimate(comparison: Comparison) -> float:
    """Return about how many seconds all models take at the photo's original size."""
    pixels = min(comparison.width * comparison.height, MAX_INPUT_PIXELS)
    return sum(
        sum(result.milliseconds.values()) / 1000 * pixels / (result.input_size[0] * result.input_size[1])
        for result in comparison.results.values()
    )
