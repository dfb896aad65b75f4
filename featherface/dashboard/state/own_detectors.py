"""Detectors beside the models: the model files in the weights folder, and those uploaded in the session."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import streamlit as st

from featherface.checkpoints import WeightsError, WeightsFile
from featherface.checkpoints.detector_files import detector_files, detector_model, inspect_detector
from featherface.config import weights_folder
from featherface.dashboard.state.shared_service import model_service
from featherface.detection.face_finder import FinderError
from featherface.detection.other_detectors import try_model_file
from featherface.files import short_name
from featherface.models import OTHER_DETECTORS

__all__ = ["add_detector", "available_detectors", "own_detectors", "refused_files", "remove_detector"]

_NAMELESS = "Model.onnx"  # what a file without a name is called


def own_detectors() -> dict[str, WeightsFile]:
    """Return the model files uploaded in this session, the newest of each detector."""
    return cast(dict[str, WeightsFile], st.session_state.setdefault("own_detectors", {}))


def available_detectors() -> dict[str, list[WeightsFile]]:
    """Return the usable model files of each detector that has any, those of this session first."""
    files = [*own_detectors().values()]
    files += [file.weights for file in detector_files(weights_folder()) if file.weights is not None]
    for weights in own_detectors().values():
        model_service().remember_upload(weights)  # it forgets files that nobody uses
    found = {key: [file for file in files if file.key == key] for key in OTHER_DETECTORS}
    return {key: of_key for key, of_key in found.items() if of_key}


def refused_files() -> list[str]:
    """Return why files in the weights folder cannot be used as detectors, one sentence each."""
    return [file.refusal for file in detector_files(weights_folder()) if file.refusal is not None]


def add_detector(name: str, content: bytes) -> str:
    """Check and try an uploaded model file, keep it for this session, and return the detector's key.

    Raises WeightsError.
    """
    path = Path(short_name(name) or _NAMELESS)
    weights = inspect_detector(path, content)
    try:
        try_model_file(weights.key, detector_model(weights))
    except FinderError as error:
        raise WeightsError(f"{path.name} cannot be used: {error}") from error
    own_detectors()[weights.key] = weights
    return weights.key


def remove_detector(key: str) -> None:
    """Drop this session's model file of detector `key`."""
    own_detectors().pop(key, None)
