"""Running the models on the chosen photo, with progress and errors on the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from featherface.checkpoints import WeightsError
from featherface.dashboard.components.controls import NetworkInput
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.state.photos import PhotoFile, decoded
from featherface.dashboard.state.shared_service import model_service
from featherface.models import MODELS
from featherface.serving.model_service import DetectionResult, UntrainedError
from featherface.serving.network_queue import ServiceBusyError

__all__ = ["run_models"]


def run_models(file: PhotoFile, given: NetworkInput) -> dict[str, DetectionResult]:
    """Return the candidates of each model; show a message in place of a model that cannot run.

    A network runs once per photo, model, input size and turn; the service keeps the results. Raises
    ImageError.
    """
    results: dict[str, DetectionResult] = {}
    for key in given.models:
        slot = st.empty()
        try:
            with slot, st.spinner(f"Running {MODELS[key].name}"):
                results[key] = model_service().merged_candidates(
                    decoded(file),
                    key,
                    given.settings,
                    weights=given.weights.get(key),
                    on_wait=partial(_show_position, slot.info),
                )
            slot.empty()
        except UntrainedError as error:
            slot.warning(
                f"{error} To include this model, put trained weights into the folder `weights`.",
                icon=":material/model_training:",
            )
        except (WeightsError, ServiceBusyError) as error:
            slot.error(plain(str(error)), icon=":material/error:")
    return results


def _show_position(show: Callable[[str], object], position: int) -> None:
    show(f"Waiting: position {position} in the queue.")
