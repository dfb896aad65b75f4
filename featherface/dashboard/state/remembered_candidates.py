"""What the models found in the photos of a session, for counts over several photos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import streamlit as st

from featherface.dashboard.state.photos import PhotoFile, decoded
from featherface.dashboard.state.shared_service import model_service
from featherface.detection.detections import Detections
from featherface.detection.settings import DetectionSettings
from featherface.serving.model_service import DetectionResult

__all__ = ["find_candidates", "remember_candidates", "remembered_candidates"]

_MAX_RESULTS = 128  # of a session, the latest; 10 kB usually, 300 kB at most

_Key = tuple[str, str, str, str, int, str, bool]  # photo, model, weights and what the network got


def remember_candidates(photo_key: str, key: str, result: DetectionResult, given: DetectionSettings) -> None:
    """Keep what model `key` found in a photo, before confidence threshold and NMS."""
    kept = _results()
    entry = _entry(photo_key, key, result.weights.sha256, given)
    kept.pop(entry, None)
    kept[entry] = result.detections
    while len(kept) > _MAX_RESULTS:
        kept.pop(next(iter(kept)))


def remembered_candidates(
    photo_key: str, results: Mapping[str, DetectionResult], given: Mapping[str, DetectionSettings]
) -> dict[str, Detections] | None:
    """Return the candidates in a photo by model, with the weights of `results`; None if one is not kept."""
    kept = _results()
    found = {
        key: kept.get(_entry(photo_key, key, result.weights.sha256, given[key]))
        for key, result in results.items()
    }
    present = {key: candidates for key, candidates in found.items() if candidates is not None}
    return present if len(present) == len(results) else None


def find_candidates(
    file: PhotoFile, results: Mapping[str, DetectionResult], given: Mapping[str, DetectionSettings]
) -> None:
    """Run each model of `results`, with its weights, on a photo and keep what it finds.

    Raises the errors of `ModelService.candidates`.
    """
    for key, result in results.items():
        found = model_service().merged_candidates(decoded(file), key, given[key], weights=result.weights)
        remember_candidates(file.key, key, found, given[key])


def _results() -> dict[_Key, Detections]:
    return cast(dict[_Key, Detections], st.session_state.setdefault("remembered_candidates", {}))


def _entry(photo_key: str, key: str, checksum: str, given: DetectionSettings) -> _Key:
    return photo_key, key, checksum, given.resize.value, given.input_size, given.scales.value, given.rotated
