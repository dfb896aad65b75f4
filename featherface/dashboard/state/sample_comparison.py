"""A photo with the faces that each model finds at the default settings."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from featherface.dashboard.state.photos import PhotoFile, decoded, display_photo
from featherface.dashboard.state.shared_service import model_service
from featherface.detection.drawing import annotate, encode_image
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.reporting.comparison import compare
from featherface.reporting.html_report import AnnotatedPhoto

__all__ = ["annotated_photo", "forget_annotated", "untrained_models"]


def untrained_models() -> list[str]:
    """Return one sentence for each model that has no usable weights."""
    return [status.message for status in model_service().models() if status.weights is None]


def annotated_photo(file: PhotoFile) -> AnnotatedPhoto:
    """Return what the models that have weights find in the photo.

    Raises ImageError, WeightsError and ServiceBusyError.
    """
    checksums = {status.key: status.weights.sha256 for status in model_service().models() if status.weights}
    return _annotated(file, checksums)


def forget_annotated() -> None:
    """Drop all annotated photos; for one that is still shown they are drawn again, without the networks."""
    _annotated.clear()


# Two sessions may upload the same file under different names, and neither must see the name of the other.
@st.cache_data(max_entries=16, show_spinner=False, hash_funcs={PhotoFile: lambda file: (file.key, file.name)})
def _annotated(file: PhotoFile, checksums: Mapping[str, str]) -> AnnotatedPhoto:
    settings = dict.fromkeys(checksums, DetectionSettings())
    results = {
        key: model_service().candidates(decoded(file), key, chosen.resize, chosen.input_size)
        for key, chosen in settings.items()
    }
    shown = display_photo(file)
    found = compare(file.name, (shown.width, shown.height), results, settings)
    scale = shown.small.width / shown.width, shown.small.height / shown.height
    images = {
        key: encode_image(annotate(shown.small, faces.scaled(*scale), MODELS[key].colour), "jpeg")
        for key, faces in found.faces.items()
    }
    return AnnotatedPhoto(
        file.name,
        file.about,
        images,
        {key: len(faces) for key, faces in found.faces.items()},
        found.agreement.both if found.agreement else None,
    )
