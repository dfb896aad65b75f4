"""The comparison of groups of faces that a visitor labelled, kept for the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from featherface.config import DEFAULT_CONFIDENCE, MAX_BYTES
from featherface.dashboard.state.session_evaluations import predict, read_zip
from featherface.errors import sentence
from featherface.files import short_name
from featherface.profiling.machine import now
from featherface.robustness.attribute_slices import SliceError, csv_attribute, score_slices
from featherface.robustness.robustness_results import SavedSlices

__all__ = ["GroupFile", "GroupResult", "compare_groups", "forget_groups", "own_groups"]

_KEY = "own_groups"


@dataclass(frozen=True)
class GroupFile:
    """An uploaded file with its name."""

    data: bytes
    name: str


@dataclass(frozen=True)
class GroupResult:
    """The groups of one column, per model, and what was left out.

    faces: that count in the images scored. skipped: one sentence for each image that was left out.
    """

    column: str
    faces: int
    results: tuple[SavedSlices, ...]
    skipped: tuple[str, ...]

    @property
    def labelled(self) -> int:
        """Number of faces with a group."""
        return sum(one.faces for one in self.results[0].slices)


def own_groups() -> GroupResult | None:
    """Return the latest comparison of this session."""
    found: GroupResult | None = st.session_state.get(_KEY)
    return found


def forget_groups() -> None:
    """Remove the comparison."""
    st.session_state.pop(_KEY, None)


def compare_groups(
    archive: GroupFile, groups: GroupFile, column: str, on_progress: Callable[[int, int], None]
) -> None:
    """Score every model on each group of `column` in the CSV file `groups`, and keep the result.

    archive: a zip of annotated images. `on_progress` gets the passes done and their total. Raises
    WiderZipError, WeightsError and SliceError, for a wrong CSV file before any network runs.
    """
    if len(groups.data) > MAX_BYTES:
        raise SliceError(sentence(f"{short_name(groups.name)} has more than {MAX_BYTES // 10**6} MB."))
    annotated = read_zip(archive.data, archive.name)
    truth = annotated.ground_truth.images
    boxes = {name: faces.boxes for name, faces in truth.items()}
    ignore = {name: ~faces.counted["all"] for name, faces in truth.items()}
    counts = {name: len(found) for name, found in boxes.items()}
    attribute = csv_attribute(groups.data, short_name(groups.name), column, counts)
    predictions, skipped = predict(annotated, on_progress)
    results = tuple(
        SavedSlices(
            model=found.weights.key,
            weights_sha256=found.weights.sha256,
            image_set=archive.name,
            images=len(found.predictions),
            confidence=DEFAULT_CONFIDENCE,
            date=now(),
            used_for_selection=False,
            slices=tuple(score_slices(found.predictions, boxes, ignore, [attribute])),
        )
        for found in predictions
    )
    scored = {prediction.image for prediction in predictions[0].predictions}
    faces = sum(int((~ignore[name]).sum()) for name in scored)
    st.session_state[_KEY] = GroupResult(column, faces, results, tuple(skipped))
