"""Times of the frames of a camera, and of a file behind an address."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from featherface.video import streams
from featherface.video.decoding import VideoError
from featherface.video.streams import stream_frames
from tests.video.seeded import CLIPS


class Camera:
    """Gives frames at uneven times, as a camera does whose frames are fetched too late; states no rate."""

    def __init__(self, times: list[float], clock: SimpleNamespace) -> None:
        self._times: Iterator[float] = iter(times)
        self._clock = clock

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, _: int) -> float:
        return -1.0

    def grab(self) -> bool:
        at = next(self._times, None)
        if at is not None:
            self._clock.now = at
        return at is not None

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((48, 64, 3), np.uint8)

    def release(self) -> None:
        pass


def plug_in(monkeypatch: pytest.MonkeyPatch, times: list[float]) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(streams, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Camera(times, clock))


def test_frames_of_a_camera_have_the_times_of_their_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, [70.0, 70.5, 72.0, 72.25])
    sizes: list[tuple[int, int]] = []
    frames = list(stream_frames("0", every=2, on_size=sizes.append))
    assert [(frame.index, frame.seconds) for frame in frames] == [(0, 0.0), (2, 2.0)]
    assert sizes == [(64, 48)]


def test_a_camera_without_frames_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, [])
    with pytest.raises(VideoError, match="No frame arrives from 0"):
        list(stream_frames("0"))


def test_frames_of_a_file_behind_an_address_have_the_times_of_the_file() -> None:
    frames = stream_frames((CLIPS / "variable_rate.mp4").as_uri())
    assert [round(24 * frame.seconds) for frame in frames] == [*range(9), 12, 16, 20]
