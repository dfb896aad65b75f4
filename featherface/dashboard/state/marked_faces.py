"""The faces that a person marks in photos, kept in the session; the bundled samples have checked faces."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import cast

import streamlit as st

from featherface.dashboard.state.photos import SAMPLES, PhotoFile, own_photos
from featherface.evaluation.marked_photo import Box, MarkedPhoto
from featherface.robustness.missed_faces import Spot

__all__ = [
    "can_undo",
    "clear_marks",
    "examined_spot",
    "files_with_marks",
    "mark",
    "marked_faces",
    "marked_photo",
    "spot_fields",
    "undo_mark",
]

_MAX_STEPS = 100  # that can be undone per photo
_CHECKED = "faces.json"  # beside the samples: boxes x1, y1, x2, y2 by file name


def marked_photo(photo_key: str) -> MarkedPhoto:
    """Return what is marked in a photo; for a sample without own marks, its checked faces."""
    steps = _all_steps().get(photo_key)
    return steps[-1] if steps else _checked(photo_key)


def marked_faces(photo_key: str) -> tuple[Box, ...]:
    """Return the boxes of the marked faces of a photo."""
    return marked_photo(photo_key).faces


def files_with_marks() -> list[PhotoFile]:
    """Return the photos in which this session marked faces."""
    return [file for file in [*own_photos(), *SAMPLES] if file.key in _all_steps()]


def mark(photo_key: str, marked: MarkedPhoto) -> None:
    """Replace what is marked in a photo."""
    kept = {file.key: _all_steps()[file.key] for file in files_with_marks()}  # not of removed photos
    kept[photo_key] = [*kept.get(photo_key, []), marked][-_MAX_STEPS:]
    st.session_state["marked_photos"] = kept


def can_undo(photo_key: str) -> bool:
    """Return whether this session changed what is marked in a photo."""
    return photo_key in _all_steps()


def undo_mark(photo_key: str) -> None:
    """Take back the last change in a photo."""
    steps = _all_steps()
    if steps.get(photo_key):
        steps[photo_key].pop()
    if not steps.get(photo_key):
        clear_marks(photo_key)


def clear_marks(photo_key: str) -> None:
    """Remove all marks of a photo; a sample has its checked faces again."""
    _all_steps().pop(photo_key, None)


def spot_fields(photo_key: str) -> tuple[str, str, str, str]:
    """Return the keys of the fields x, y, width and height of the spot that is examined in a photo."""
    x, y, width, height = (f"missed_{name}_{photo_key}" for name in ("x", "y", "width", "height"))
    return x, y, width, height


def examined_spot(photo_key: str) -> Spot | None:
    """Return the spot that is examined in a photo, in its pixels; None if there is none."""
    x, y, width, height = (st.session_state.get(name) for name in spot_fields(photo_key))
    if x is None or y is None:
        return None
    return Spot(x, y, x + width, y + height) if width and height else Spot(x, y)


def _all_steps() -> dict[str, list[MarkedPhoto]]:
    """Return what was marked in each photo, one entry per change, the latest last."""
    return cast(dict[str, list[MarkedPhoto]], st.session_state.setdefault("marked_photos", {}))


def _checked(photo_key: str) -> MarkedPhoto:
    """Return the checked faces of a sample; nothing is marked in any other photo."""
    for sample in SAMPLES:
        if sample.key == photo_key and isinstance(sample.source, Path):
            return _checked_faces(sample.source.with_name(_CHECKED)).get(sample.source.name, MarkedPhoto())
    return MarkedPhoto()


@cache
def _checked_faces(path: Path) -> dict[str, MarkedPhoto]:
    boxes = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: MarkedPhoto(tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in faces), complete=True)
        for name, faces in boxes.items()
    }
