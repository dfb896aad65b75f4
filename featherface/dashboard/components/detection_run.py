"""Running the models on the chosen photo, with progress and errors on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from featherface.checkpoints import WeightsError, WeightsFile
from featherface.dashboard.components.controls import NetworkInput
from featherface.dashboard.components.widgets import plain, show_errors
from featherface.dashboard.state.photos import PhotoFile, decoded
from featherface.dashboard.state.shared_service import model_service
from featherface.detection.images import ImageError
from featherface.models import detector_entry
from featherface.serving.model_service import DetectionResult, UntrainedError
from featherface.serving.network_queue import ServiceBusyError

__all__ = ["PhotoRun", "run_models", "run_on_all_photos"]


@dataclass(frozen=True, eq=False)
class PhotoRun:
    """What each model returned for one photo of `size` (width, height) pixels, before any filter."""

    file: PhotoFile
    size: tuple[int, int]
    results: Mapping[str, DetectionResult]


def run_models(file: PhotoFile, given: NetworkInput) -> dict[str, DetectionResult]:
    """Return the candidates of each model; show a message in place of a model that cannot run.

    A network runs once per photo, model, input size and turn; the service keeps the results. Raises
    ImageError.
    """
    results: dict[str, DetectionResult] = {}
    for key in given.models:
        slot = st.empty()
        try:
            with slot, st.spinner(f"Running {detector_entry(key).name}"):
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


def run_on_all_photos(files: Sequence[PhotoFile], given: NetworkInput) -> list[PhotoRun]:
    """Return the candidates of each model in each photo, with progress on the page.

    A message on the page says why a model or a photo is left out. All photos have results of the same models.
    """
    usable = {}
    for key in given.models:
        status = model_service().weights_info(key)
        weights = given.weights.get(key) or status.weights
        if weights is None:
            st.warning(plain(status.message), icon=":material/model_training:")
        else:
            usable[key] = weights
    runs, refusals = [], []
    slot = st.empty()
    for number, file in enumerate(files):
        slot.progress(number / len(files), f"Photo {number + 1} of {len(files)}: {plain(file.name)}")
        try:
            found = {
                key: _kept(file.key, weights.sha256, given, file, weights) for key, weights in usable.items()
            }
        except (ImageError, WeightsError, ServiceBusyError) as error:
            refusals.append(f"{file.name}: {error}")
            continue
        if found:
            runs.append(
                PhotoRun(file, next(iter(found.values()))[0], {key: each for key, (_, each) in found.items()})
            )
    slot.empty()
    show_errors(refusals)
    return runs


@st.cache_resource(
    scope="session",
    max_entries=128,
    show_spinner=False,
    hash_funcs={NetworkInput: lambda given: given.settings},
)
def _kept(
    photo_key: str, checksum: str, given: NetworkInput, _file: PhotoFile, _weights: WeightsFile
) -> tuple[tuple[int, int], DetectionResult]:
    """Return the size of a photo and the candidates of one model; kept so that no photo is decoded again."""
    photo = decoded(_file)
    result = model_service().merged_candidates(photo, _weights.key, given.settings, weights=_weights)
    return (photo.width, photo.height), result


def _show_position(show: Callable[[str], object], position: int) -> None:
    show(f"Waiting: position {position} in the queue.")
