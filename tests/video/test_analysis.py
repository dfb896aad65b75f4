"""A video through two detectors, to its files; detectors are stand-ins whose faces are known."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from featherface.detection.detections import Detections
from featherface.detection.drawing import title_band
from featherface.detection.images import Photo
from featherface.models import DetectorEntry
from featherface.video.analysis import FrameFaces, VideoFaces, analyse_video
from featherface.video.anonymising import anonymised, hidden_boxes
from featherface.video.decoding import VideoError, decode_frames
from featherface.video.encoding import encode_webm, side_by_side
from featherface.video.exports import video_csv, video_json, video_mot
from tests.video.seeded import faces, grey_levels, number_of

BOX = (8, 8, 40, 40)
FIRST = DetectorEntry(key="a", short_name="A", name="A", colour="#3b82f6")
SECOND = DetectorEntry(key="b", short_name="B", name="B", colour="#f97316")


def steady(photo: Photo) -> Detections:
    return faces(BOX)


def forgetful(photo: Photo) -> Detections:
    """The same face, but not in frames 4 and 5."""
    return Detections.empty() if number_of(photo.pixels) in (4, 5) else faces(BOX)


@pytest.fixture
def clip(encoded) -> bytes:
    return encoded(grey_levels(12), ".avi", "MJPG")


def analysed(clip: bytes, every: int = 1, **detectors) -> VideoFaces:
    frames = tuple(analyse_video(clip, "clip.avi", detectors, every))
    return VideoFaces("clip.avi", 64, 48, every, frames)


def test_counts_and_agreement_of_each_frame(clip: bytes) -> None:
    found = analysed(clip, a=steady, b=forgetful)
    assert [frame.index for frame in found.frames] == list(range(12))
    assert [frame.agreement("a", "b").both for frame in found.frames] == [1] * 4 + [0] * 2 + [1] * 6
    assert [len(frame.agreement("a", "b").only_first) for frame in found.frames] == [0] * 4 + [1] * 2 + [
        0
    ] * 6
    assert [len(frame.faces["a"]) for frame in found.above(0.95).frames] == [0] * 12  # the score is 0.9
    assert found.seconds == pytest.approx(1.2)
    assert found.stability("a").flicker_per_minute == 0
    assert found.stability("b").flicker_per_minute == pytest.approx(60 / 1.2)


def test_a_stopped_analysis_keeps_what_was_done(clip: bytes) -> None:
    steps = analyse_video(clip, "clip.avi", {"a": steady})
    frames = (next(steps), next(steps))
    steps.close()
    partial = VideoFaces("clip.avi", 64, 48, 1, frames)
    assert partial.seconds == pytest.approx(0.2)
    assert len(list(side_by_side(clip, partial, {"a": FIRST}))) == 2


def test_files_hold_every_face(clip: bytes) -> None:
    found = analysed(clip, every=2, a=steady, b=forgetful)  # b has lost frame 4
    document = json.loads(video_json(found))
    assert [frame["frame"] for frame in document["frames"]] == [0, 2, 4, 6, 8, 10]
    assert [len(frame["models"]["b"]["scores"]) for frame in document["frames"]] == [1, 1, 0, 1, 1, 1]
    rows = list(csv.DictReader(io.StringIO(video_csv(found))))
    assert len(rows) == 11
    assert {(row["model"], row["track"]) for row in rows} == {("a", "1"), ("b", "1")}  # the gap is bridged
    assert video_mot(found, "b").splitlines()[2] == "7,1,8.00,8.00,32.00,32.00,0.900000,-1,-1,-1"


def test_boxes_in_files_end_where_the_frame_does(clip: bytes) -> None:
    found = analysed(clip, a=lambda photo: faces((-8, 8, 40, 60)))
    assert json.loads(video_json(found))["frames"][0]["models"]["a"]["boxes"] == [[0, 8, 40, 48]]
    row = next(csv.DictReader(io.StringIO(video_csv(found))))
    assert [float(row[name]) for name in ("x1", "y2")] == [0, 48]
    assert ",0.00,8.00,40.00,40.00," in video_mot(found, "a").splitlines()[0]


def test_side_by_side_video_plays(clip: bytes) -> None:
    found = analysed(clip, a=steady, b=forgetful)
    images = side_by_side(clip, found, {"a": FIRST, "b": SECOND})
    video = encode_webm(images, found)
    decoded = list(decode_frames(video, "out.webm"))
    assert len(decoded) == 12
    band = title_band(FIRST.name, FIRST.colour, 64)
    assert decoded[0].photo.pixels.shape == (48 + len(band), 128, 3)
    assert decoded[-1].seconds == pytest.approx(1.1, abs=0.01)
    strips = decoded[0].photo.pixels[len(band) // 2, (1, 65)].astype(int)  # in the models' colours
    expected = [list(bytes.fromhex(entry.colour[1:])) for entry in (FIRST, SECOND)]
    assert np.abs(strips - expected).max() < 90
    assert np.abs(strips - expected[::-1]).max() > 120
    left, right = np.split(decoded[4].photo.pixels[len(band) :].astype(int), 2, axis=1)
    assert abs(left - right).max() > 60  # only the first model has a box there


def test_no_frame_is_no_video() -> None:
    with pytest.raises(VideoError, match="no frame"):
        encode_webm([], VideoFaces("clip.avi", 64, 48, 1, ()))


def test_variable_frame_rates_keep_their_times() -> None:
    starts = (0, 1, 2, 5, 6)  # frames of 10 per second; the third one lasts for three
    frames = tuple(FrameFaces(number, start / 10, {}) for number, start in enumerate(starts))
    video = encode_webm(grey_levels(len(starts)), VideoFaces("clip.avi", 64, 48, 1, frames))
    decoded = list(decode_frames(video, "out.webm"))
    assert [number_of(frame.photo.pixels) for frame in decoded] == [0, 1, 2, 2, 2, 3, 4]
    assert decoded[5].seconds == pytest.approx(0.5, abs=0.01)


def test_gaps_are_hidden_too(encoded) -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (48, 48, 3), np.uint8)
    numbers = grey_levels(12, 16, 48)  # beside the face
    clip = encoded([np.hstack((noise, number)) for number in numbers], ".avi", "MJPG")

    def blinking(photo: Photo) -> Detections:
        return Detections.empty() if number_of(photo.pixels[:, 52:]) in (0, 4, 5, 6, 11) else faces(BOX)

    found = analysed(clip, a=blinking)
    assert [len(boxes) for boxes in hidden_boxes(found, ["a"])] == [1] * 12
    plain = [frame.photo.pixels for frame in decode_frames(clip, "clip.avi")]
    x1, y1, x2, y2 = BOX
    for before, after in zip(plain, anonymised(clip, found, ["a"], "pixelate"), strict=True):
        face, shown = before[y1:y2, x1:x2], after[y1:y2, x1:x2]
        assert (np.abs(face.astype(int) - shown) > 8).any(axis=2).mean() > 0.9  # no exposed face in any frame


def test_long_gaps_stay_open(clip: bytes) -> None:
    found = VideoFaces("clip.avi", 64, 48, 1, analysed(clip, a=steady).frames)
    empty = [Detections.empty()] * 12
    frames = [
        type(frame)(frame.index, frame.seconds, {"a": frame.faces["a"] if place == 0 else empty[place]})
        for place, frame in enumerate(found.frames)
    ]
    alone = VideoFaces("clip.avi", 64, 48, 1, tuple(frames))
    assert [len(boxes) for boxes in hidden_boxes(alone, ["a"])] == [1] * 4 + [0] * 8
