"""A photo once a model, with the faces that each finds with the default settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from featherface.dashboard.state.photos import PhotoFile, decoded, picture
from featherface.dashboard.state.shared import model_service
from featherface.detection.drawing import annotate, encode_picture
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.reporting.comparison import compare

__all__ = ["AnnotatedPhoto", "annotated_photo", "forget_annotated", "untrained_models"]


@dataclass(frozen=True)
class AnnotatedPhoto:
    """JPEG pictures and counts of faces by model key; `both` counts the faces that two models agree on."""

    name: str
    about: str
    pictures: Mapping[str, bytes]
    faces: Mapping[str, int]
    both: int | None


def untrained_models() -> list[str]:
    """Return one sentence for each model that cannot look at photos."""
    return [status.message for status in model_service().models() if status.weights is None]


def annotated_photo(file: PhotoFile) -> AnnotatedPhoto:
    """Return what the models that have weights find in the photo.

    Raises ImageError, WeightsError and ServiceBusyError.
    """
    checksums = {status.key: status.weights.sha256 for status in model_service().models() if status.weights}
    return _annotated(file, checksums)


def forget_annotated() -> None:
    """Drop all annotated photos; whoever still shows one has it drawn anew, without the networks."""
    _annotated.clear()


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs={PhotoFile: lambda file: file.key})
def _annotated(file: PhotoFile, checksums: Mapping[str, str]) -> AnnotatedPhoto:
    settings = dict.fromkeys(checksums, DetectionSettings())
    results = {
        key: model_service().candidates(decoded(file), key, chosen.resize, chosen.side)
        for key, chosen in settings.items()
    }
    shown = picture(file)
    found = compare(file.name, (shown.width, shown.height), results, settings)
    scale = shown.small.width / shown.width, shown.small.height / shown.height
    pictures = {
        key: encode_picture(annotate(shown.small, faces.scaled(*scale), MODELS[key].colour), "jpeg")
        for key, faces in found.faces.items()
    }
    return AnnotatedPhoto(
        file.name,
        file.about,
        pictures,
        {key: len(faces) for key, faces in found.faces.items()},
        found.agreement.both if found.agreement else None,
    )
