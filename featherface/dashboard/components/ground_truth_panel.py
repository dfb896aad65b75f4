"""A person's own ground truth: marking faces, and true, false and missed faces of each model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from featherface.checkpoints import WeightsError
from featherface.config import MATCH_IOU
from featherface.dashboard.components.ground_truth_exchange import show_ground_truth_files
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.state.marked_faces import (
    can_undo,
    clear_marks,
    files_with_marks,
    mark,
    marked_photo,
    undo_mark,
)
from featherface.dashboard.state.photos import SAMPLES, PhotoFile
from featherface.dashboard.state.remembered_candidates import (
    find_candidates,
    remember_candidates,
    remembered_candidates,
)
from featherface.detection.detections import Detections
from featherface.detection.images import ImageError
from featherface.detection.postprocess import select
from featherface.evaluation.marked_photo import (
    Box,
    FaceCounts,
    MarkedPhoto,
    MarkingError,
    as_array,
    as_boxes,
    count_faces,
)
from featherface.models import detector_entry
from featherface.reporting.comparison import Comparison
from featherface.robustness.missed_faces import Spot
from featherface.robustness.suggested_box import suggested_box
from featherface.serving.model_service import UntrainedError
from featherface.serving.network_queue import ServiceBusyError

__all__ = ["show_ground_truth", "show_spot_buttons"]

_REFUSAL = "marking_refused"  # key in the session of why the last callback marked nothing


def show_spot_buttons(photo_key: str, spot: Spot, comparison: Comparison, fields: Sequence[str]) -> None:
    """Let a person say whether there is a face at the examined spot.

    fields: keys of the number fields x, y, width and height, into which a suggested box goes.
    """
    marked = marked_photo(photo_key)
    detected = [box for faces in comparison.faces.values() for box in _boxes(faces[spot.there(faces)])]
    there = [*detected, *_marked_at(spot, marked)]
    box = _face_at(spot, comparison, marked)
    size = f"{box[2] - box[0]:.0f} × {box[3] - box[1]:.0f} px"
    with st.container(horizontal=True):
        st.button(
            "This is a face",
            icon=":material/check:",
            key="confirm_spot",
            help=f"Adds a box of {size} to the ground truth of this photo.",
            on_click=partial(_add, photo_key, [box], replaces=True),
        )
        st.button(
            "Not a face",
            icon=":material/close:",
            key="reject_spot",
            disabled=not there,
            help="The detections here are false positives; a marked face here is removed.",
            on_click=partial(_reject, photo_key, there),
        )
        if spot.box is None:
            st.button(
                f"Adjust the box of {size}",
                icon=":material/crop_free:",
                key="adjust_spot",
                help="Fills in position, width and height, so that you can change them first.",
                on_click=partial(_fill_in, fields, box),
            )


def show_ground_truth(file: PhotoFile, comparison: Comparison) -> None:
    """Show the counts of this photo and of all marked photos, and what changes, saves and reads marks."""
    st.subheader("Comparison with ground truth", anchor=False)
    marked = marked_photo(file.key)
    for key, result in comparison.results.items():
        remember_candidates(file.key, key, result, comparison.settings[key])
    st.caption(_introduction(file, marked))
    refusal = st.session_state.pop(_REFUSAL, "")
    if refusal:
        st.error(plain(refusal), icon=":material/error:")
    _show_controls(file, comparison, marked)
    others = [other for other in files_with_marks() if other.key != file.key]
    table = st.container()
    _offer_runs([other for other in others if not _remembered(other, comparison)], comparison)
    if marked.faces or marked.rejected or marked.complete or others:
        with table:
            _show_counts(file, comparison, marked, [one for one in others if _remembered(one, comparison)])
    show_ground_truth_files(file)


def _introduction(file: PhotoFile, marked: MarkedPhoto) -> str:
    rule = (
        f"Detections are matched with marked faces one to one, at an IoU of {MATCH_IOU} or more. A detection "
        "that nobody confirmed or rejected is not judged, unless all faces of the photo are marked."
    )
    if file in SAMPLES and not can_undo(file.key):
        return f"The faces of this sample were marked and checked by hand. {rule}"
    if marked == MarkedPhoto():
        return (
            "No face of this photo is marked yet. Confirm the detections, then click each face that was "
            f"missed and each detection that is wrong. {rule}"
        )
    return rule


def _show_controls(file: PhotoFile, comparison: Comparison, marked: MarkedPhoto) -> None:
    detected = _boxes_by_score(comparison.faces.values())
    changed = can_undo(file.key)
    complete = f"complete_{file.key}"
    st.session_state[complete] = marked.complete  # undo and import change it too
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Confirm all detections",
            icon=":material/done_all:",
            key="confirm_all",
            disabled=not detected,
            help="Marks every face that a model found, except where a face is marked or rejected already.",
            on_click=partial(_add, file.key, detected, replaces=False),
        )
        st.button(
            "Undo",
            icon=":material/undo:",
            key="undo_mark",
            disabled=not changed,
            on_click=partial(undo_mark, file.key),
        )
        st.button(
            "Clear marks",
            icon=":material/delete:",
            key="clear_marks",
            disabled=not changed,
            help="Removes your marks from this photo. A sample has its checked faces again.",
            on_click=partial(clear_marks, file.key),
        )
        st.toggle(
            "All faces are marked",
            key=complete,
            help="Then every other detection counts as a false positive.",
            on_change=partial(_set_complete, file.key, complete),
        )


def _show_counts(
    file: PhotoFile, comparison: Comparison, marked: MarkedPhoto, others: Sequence[PhotoFile]
) -> None:
    """Show the counts of each model for this photo and, if others have marks, for all of them."""
    found = {key: count_faces(faces.boxes, marked) for key, faces in comparison.faces.items()}
    _show_count_table("This photo", found)
    if not marked.complete:
        _show_scope("this photo")
    own = can_undo(file.key)  # marks of a sample that came with it are not the person's own
    photos = len(others) + own
    if others:
        everywhere = {
            key: sum((_counts_in(other, key, comparison) for other in others), here if own else FaceCounts())
            for key, here in found.items()
        }
        counted = "your marked photo" if photos == 1 else f"your {photos} marked photos"
        _show_count_table(counted.capitalize(), everywhere)
        incomplete = sum(not marked_photo(other.key).complete for other in others)
        incomplete += own and not marked.complete
        if incomplete:
            _show_scope(counted if photos == 1 else f"{incomplete} of {counted}")


def _show_scope(photos: str) -> None:
    """Say what the counts leave out in photos of which not all faces are marked."""
    st.caption(
        f"“All faces are marked” is off for {photos}: recall and missed faces cover the marked faces only, "
        "and precision covers only the detections that were judged."
    )


def _show_count_table(photos: str, counts: Mapping[str, FaceCounts]) -> None:
    """Show one column per model, which fits on a narrow screen."""
    columns = {detector_entry(key).short_name: _measures(one) for key, one in counts.items()}
    st.table(
        pd.DataFrame(columns).rename_axis(photos).reset_index(),
        border="horizontal",
        hide_index=True,
        alt=f"{photos}: true and false positives, missed faces, detections not judged, precision and recall "
        "of each model",
    )


def _measures(counts: FaceCounts) -> dict[str, str]:
    return {
        "True positives": f"{counts.true:,}",
        "False positives": f"{counts.false:,}",
        "Missed faces": f"{counts.missed:,}",
        "Not judged": f"{counts.unjudged:,}",
        "Precision": _percent(counts.precision),
        "Recall": _percent(counts.recall),
    }


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _counts_in(file: PhotoFile, key: str, comparison: Comparison) -> FaceCounts:
    """Compare what a model found in another photo, at the thresholds of this one, with its marks."""
    candidates = remembered_candidates(file.key, {key: comparison.results[key]}, comparison.settings)
    settings = comparison.settings[key]
    faces = Detections.empty() if candidates is None else candidates[key]
    kept = select(faces, settings.confidence, settings.nms_iou, settings.top_k)
    return count_faces(kept.boxes, marked_photo(file.key))


def _remembered(file: PhotoFile, comparison: Comparison) -> bool:
    return remembered_candidates(file.key, comparison.results, comparison.settings) is not None


def _offer_runs(files: Sequence[PhotoFile], comparison: Comparison) -> None:
    """Offer to run the models on marked photos for which there are no results with these settings."""
    if not files:
        return
    slot = st.empty()
    count = "another marked photo" if len(files) == 1 else f"{len(files)} other marked photos"
    if not slot.button(f"Count on {count} too", icon=":material/play_arrow:", key="count_others"):
        return
    try:
        for done, file in enumerate(files):
            slot.progress(done / len(files), f"Running the models on photo {done + 1} of {len(files)}")
            find_candidates(file, comparison.results, comparison.settings)
    except (ImageError, UntrainedError, WeightsError, ServiceBusyError) as error:
        slot.error(plain(str(error)), icon=":material/error:")
    else:
        slot.empty()


def _face_at(spot: Spot, comparison: Comparison, marked: MarkedPhoto) -> Box:
    """Return the box that is added when a person says that there is a face."""
    candidates = [result.detections for result in comparison.results.values()]
    neighbours = np.concatenate(
        [as_array(marked.faces), *(faces.boxes for faces in comparison.faces.values())]
    )
    return suggested_box(spot, candidates, neighbours, (comparison.width, comparison.height))


def _marked_at(spot: Spot, marked: MarkedPhoto) -> list[Box]:
    boxes = as_array(marked.faces).astype(np.float32)
    count = len(boxes)
    faces = Detections(boxes, np.ones(count, np.float32), np.zeros((count, 5, 2), np.float32))
    return [box for box, there in zip(marked.faces, spot.there(faces), strict=True) if there]


def _boxes_by_score(found: Iterable[Detections]) -> list[Box]:
    """Return the boxes of all models, highest score first."""
    scored = [(score, box) for faces in found for score, box in zip(faces.scores, _boxes(faces), strict=True)]
    return [box for _, box in sorted(scored, key=lambda pair: -pair[0])]


def _boxes(faces: Detections) -> tuple[Box, ...]:
    return as_boxes(faces.boxes)


def _add(photo_key: str, boxes: Sequence[Box], *, replaces: bool) -> None:
    """Mark faces. replaces: also where something is marked or rejected."""
    marked = marked_photo(photo_key)
    try:
        mark(photo_key, marked.with_face(boxes[0]) if replaces else marked.with_faces(boxes))
    except MarkingError as error:
        st.session_state[_REFUSAL] = str(error)


def _reject(photo_key: str, boxes: Sequence[Box]) -> None:
    mark(photo_key, marked_photo(photo_key).without(boxes))


def _set_complete(photo_key: str, toggle: str) -> None:
    marked = marked_photo(photo_key)
    mark(photo_key, MarkedPhoto(marked.faces, marked.rejected, bool(st.session_state[toggle])))


def _fill_in(fields: Sequence[str], box: Box) -> None:
    x1, y1, x2, y2 = (round(value) for value in box)
    for name, value in zip(fields, (x1, y1, x2 - x1, y2 - y1), strict=True):
        st.session_state[name] = value
