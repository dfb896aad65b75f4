"""Marks in photos: undo, clear, and the checked faces of the samples."""

from __future__ import annotations

import json

import pytest
import streamlit as st

from featherface.dashboard.state.marked_faces import (
    can_undo,
    clear_marks,
    files_with_marks,
    mark,
    marked_faces,
    marked_photo,
    undo_mark,
)
from featherface.dashboard.state.photos import SAMPLES, PhotoFile, decoded
from featherface.evaluation.marked_photo import MarkedPhoto

OWN = PhotoFile("digest", "party.jpg", b"", "your own photo")
FIRST, SECOND = MarkedPhoto(((1, 2, 30, 40),)), MarkedPhoto(((1, 2, 30, 40), (50, 2, 80, 40)))


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a session of its own."""
    monkeypatch.setattr(st, "session_state", {"own_photos": [OWN]})


def test_changes_are_undone_one_by_one() -> None:
    assert marked_photo(OWN.key) == MarkedPhoto()
    mark(OWN.key, FIRST)
    mark(OWN.key, SECOND)
    assert marked_faces(OWN.key) == SECOND.faces
    undo_mark(OWN.key)
    assert marked_photo(OWN.key) == FIRST
    undo_mark(OWN.key)
    assert marked_photo(OWN.key) == MarkedPhoto()
    assert not can_undo(OWN.key)
    undo_mark(OWN.key)  # nothing is left to undo


def test_a_removed_photo_loses_its_marks_and_a_sample_keeps_them() -> None:
    mark(OWN.key, FIRST)
    mark(SAMPLES[0].key, SECOND)
    st.session_state["own_photos"] = []
    assert files_with_marks() == [SAMPLES[0]]
    mark(SAMPLES[0].key, FIRST)
    assert not can_undo(OWN.key)


def test_cleared_samples_have_their_checked_faces_again() -> None:
    key = SAMPLES[0].key
    checked = marked_photo(key)
    assert checked.complete
    mark(key, FIRST)
    clear_marks(key)
    assert marked_photo(key) == checked
    assert files_with_marks() == []


def test_every_sample_has_checked_faces_inside_the_photo() -> None:
    files = {sample.source.name: sample for sample in SAMPLES}
    checked = json.loads((SAMPLES[0].source.with_name("faces.json")).read_text(encoding="utf-8"))
    assert checked.keys() == files.keys()
    for name, boxes in checked.items():
        photo = decoded(files[name])
        assert marked_photo(files[name].key).complete
        for x1, y1, x2, y2 in boxes:
            assert 0 <= x1 < x2 <= photo.width
            assert 0 <= y1 < y2 <= photo.height
