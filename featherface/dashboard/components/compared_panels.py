"""Viewer panels for faces found outside the Detection page: in a frame or in a corrupted photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from featherface.dashboard.components.viewer import Panel
from featherface.detection.agreement import agreement
from featherface.detection.detections import Detections
from featherface.models import MODELS
from featherface.reporting.wording import faces_text

__all__ = ["compared_panels"]


def compared_panels(
    title: str, found: Mapping[str, Detections], empty: str, notes: Callable[[Detections], list[str]]
) -> list[Panel]:
    """Return one panel per model in `found`; with two models, faces that both found are paired.

    title: what is shown, for the alt text. empty: shown over a photo without faces. notes: returns a tooltip
    per face.
    """
    partners = {key: np.full(len(faces), -1) for key, faces in found.items()}
    if len(found) == 2:
        first, second = found.values()
        agreed = agreement(first, second)
        for column, key in enumerate(found):
            partners[key][agreed.pairs[:, column]] = np.arange(agreed.both)
    return [
        Panel(
            name=MODELS[key].name,
            short_name=MODELS[key].short_name,
            colour=MODELS[key].colour,
            alt=f"{title}: {MODELS[key].name} found {faces_text(len(faces))}",
            message="" if len(faces) else empty,
            detections=faces,
            pairs=partners[key],
            shown=range(len(faces)),
            notes=notes(faces),
        )
        for key, faces in found.items()
    ]
