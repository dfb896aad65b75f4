"""Tracks of faces whose course is known."""

from __future__ import annotations

import numpy as np
import pytest

from featherface.detection.detections import Detections
from featherface.video.tracks import MAX_GAP, stability, track_faces
from tests.video.seeded import faces


def moving(start: float, frames: int, step: float = 2.0) -> list[Detections]:
    return [faces((start + step * n, 10, start + 40 + step * n, 50)) for n in range(frames)]


def test_two_faces_are_two_tracks_whatever_their_order() -> None:
    left, right = (10, 10, 50, 50), (200, 10, 240, 50)
    found = [faces(left, right), faces(right, left), faces(left, right)]
    tracks = track_faces(found)
    assert [track.frames.tolist() for track in tracks] == [[0, 1, 2], [0, 1, 2]]
    assert [track.faces.tolist() for track in tracks] == [[0, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize("gap", range(1, MAX_GAP + 2))
def test_a_gap_is_bridged_up_to_the_limit(gap: int) -> None:
    found = moving(10, 4) + [Detections.empty()] * gap + moving(18, 4)
    tracks = track_faces(found)
    if gap <= MAX_GAP:
        assert [track.gaps.tolist() for track in tracks] == [[gap]]
    else:
        assert [track.gaps.tolist() for track in tracks] == [[], []]


def test_flicker_and_fragments_per_minute() -> None:
    found = [*moving(10, 4), Detections.empty(), *moving(18, 5)]  # one face, lost for one frame
    measured = stability(track_faces(found), seconds=10.0)
    assert (measured.tracks, measured.flicker_per_minute, measured.fragments_per_minute) == (1, 6.0, 6.0)


def test_a_face_found_throughout_has_no_fragment_and_a_later_one_has_one() -> None:
    steady, late = (10, 10, 50, 50), (200, 10, 240, 50)
    found = [faces(steady), faces(steady), faces(steady, late), faces(steady, late)]
    assert stability(track_faces(found[:2]), seconds=60.0).fragments_per_minute == 0
    assert stability(track_faces(found), seconds=60.0).fragments_per_minute == 1


def test_even_motion_and_growth_have_no_jitter() -> None:
    walking = stability(track_faces(moving(0, 8)), 1.0)
    assert walking.centre_jitter == pytest.approx(0, abs=1e-6)
    radii = [10 * 1.1**n for n in range(8)]
    growing = [faces((100 - radius, 100 - radius, 100 + radius, 100 + radius)) for radius in radii]
    assert stability(track_faces(growing), 1.0).scale_jitter == pytest.approx(0, abs=1e-5)


def test_jitter_of_a_trembling_box() -> None:
    found = [faces((10 + 4 * (n % 2), 10, 50 + 4 * (n % 2), 50)) for n in range(9)]
    measured = stability(track_faces(found), 1.0)
    assert measured.centre_jitter == pytest.approx(4 / 40)  # 4 px off its neighbours, face size 40 px
    assert measured.scale_jitter == pytest.approx(0, abs=1e-6)


def test_no_faces_have_no_jitter() -> None:
    measured = stability(track_faces([Detections.empty()] * 3), 1.0)
    assert (measured.tracks, measured.flicker_per_minute) == (0, 0.0)
    assert measured.centre_jitter is None
    assert measured.scale_jitter is None


def test_every_face_is_in_exactly_one_track() -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(30):
        corners = rng.uniform(0, 300, (rng.integers(0, 6), 2))
        found.append(faces(*np.hstack((corners, corners + rng.uniform(10, 80, (len(corners), 1)))).tolist()))
    places = [
        (frame, face)
        for track in track_faces(found)
        for frame, face in zip(track.frames.tolist(), track.faces.tolist(), strict=True)
    ]
    every_face = [(frame, face) for frame, one in enumerate(found) for face in range(len(one))]
    assert sorted(places) == every_face
