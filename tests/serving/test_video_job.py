"""Videos in the background: progress, stopping, failures, and bounded memory."""

from __future__ import annotations

import sys
import threading

import pytest

from featherface.detection.images import ImageError, Photo
from featherface.serving.network_queue import ServiceBusyError
from featherface.serving.video_job import VideoStore
from featherface.video import decoding
from featherface.video.decoding import VideoError
from tests.video.seeded import CLIPS, faces

CLIP = (CLIPS / "h264.mp4").read_bytes()  # 24 frames


class Gated:
    """A detector that finds one face per frame, and waits for the test before each."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)

    def __call__(self, photo: Photo):
        self.entered.release()
        assert self.gate.acquire(timeout=60)
        return faces((8, 8, 40, 40))


def test_to_the_end() -> None:
    store, detector = VideoStore(), Gated()
    detector.gate.release(100)
    job = store.analyse(store.open("clip.mp4", CLIP), {"a": detector}, every=5)
    job.wait()
    assert job.state == "done"
    assert (job.frames_done, job.frames_expected, job.error) == (5, 5, None)
    assert [frame.index for frame in job.faces().frames] == [0, 5, 10, 15, 20]
    assert job.seconds > 0


def test_a_video_beyond_the_limit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    store, detector = VideoStore(), Gated()
    video = store.open("clip.mp4", CLIP)
    monkeypatch.setattr(decoding, "MAX_FRAMES", 20)  # as if the header had stated fewer frames
    detector.gate.release(100)
    job = store.analyse(video, {"a": detector}, every=5)
    job.wait()
    assert (job.state, job.error, job.frames_done, job.at_limit) == ("done", None, 4, True)


def test_progress_and_stopping_keep_what_is_done() -> None:
    store, detector = VideoStore(), Gated()
    job = store.analyse(store.open("clip.mp4", CLIP), {"a": detector}, every=1)
    detector.gate.release(3)
    for _ in range(5):
        assert detector.entered.acquire(timeout=60)  # three frames are done, two are under way
    assert (job.state, job.frames_done) == ("running", 3)
    assert job.seconds_left > 0
    job.stop()
    detector.gate.release(2)
    job.wait()
    assert job.state == "stopped"
    assert job.frames_done == 4


def test_a_failure_is_a_sentence_and_keeps_the_frames_before_it() -> None:
    store = VideoStore()
    seen = iter(range(100))

    def fails_at_the_third(photo: Photo):
        if next(seen) == 2:
            raise ImageError("Not enough memory for this photo.")
        return faces((8, 8, 40, 40))

    job = store.analyse(store.open("clip.mp4", CLIP), {"a": fails_at_the_third}, every=1)
    job.wait()
    assert (job.error, job.frames_done) == ("Not enough memory for this photo.", 2)


def test_a_busy_moment_does_not_end_the_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featherface.serving.network_queue._RETRY_SECONDS", 0.0)
    calls = iter(range(100))

    def busy_at_first(photo: Photo):
        if next(calls) < 3:
            raise ServiceBusyError(33)
        return faces((8, 8, 40, 40))

    store = VideoStore()
    job = store.analyse(store.open("clip.mp4", CLIP), {"a": busy_at_first}, every=6)
    job.wait()
    assert (job.state, job.error, job.frames_done) == ("done", None, 4)


def test_a_job_can_be_stopped_while_the_models_are_busy() -> None:
    tried = threading.Event()

    def always_busy(photo: Photo):
        tried.set()
        raise ServiceBusyError(33)

    store = VideoStore()
    job = store.analyse(store.open("clip.mp4", CLIP), {"a": always_busy}, every=1)
    assert tried.wait(60)
    job.stop()
    job.wait()
    assert (job.state, job.error, job.frames_done) == ("stopped", None, 0)


def test_videos_wait_for_each_other() -> None:
    store, detector = VideoStore(jobs=1), Gated()
    first = store.analyse(store.open("clip.mp4", CLIP), {"a": detector}, every=12)
    second = store.analyse(store.open("clip.mp4", CLIP), {"a": detector}, every=12)
    assert detector.entered.acquire(timeout=60)
    assert (first.state, second.state) == ("running", "waiting")
    second.stop()  # a visitor who leaves while waiting
    assert (first.state, second.state) == ("running", "stopped")
    assert second.seconds == 0
    detector.gate.release(10)
    first.wait()
    second.wait()
    assert (first.state, second.state) == ("done", "stopped")
    assert second.frames_done == 0


def test_a_video_that_was_stopped_while_it_waited_is_released() -> None:
    store, detector = VideoStore(jobs=1), Gated()
    store.analyse(store.open("clip.mp4", CLIP), {"a": detector}, every=12)
    assert detector.entered.acquire(timeout=60)
    data = bytes(bytearray(CLIP))  # a copy that nothing else refers to
    before = sys.getrefcount(data)
    waiting = store.analyse(store.open("clip.mp4", data), {"a": detector}, every=12)
    assert sys.getrefcount(data) > before
    waiting.stop()
    assert sys.getrefcount(data) == before
    detector.gate.release(10)


def test_memory_of_all_videos_is_bounded() -> None:
    store = VideoStore(max_bytes=2 * len(CLIP))
    first, _ = (store.open("clip.mp4", CLIP) for _ in range(2))
    with pytest.raises(VideoError, match="Try again later"):
        store.open("clip.mp4", CLIP)
    store.close(first)
    assert store.open("clip.mp4", CLIP).info.frames == 24


def test_what_is_no_video_takes_no_memory() -> None:
    store = VideoStore(max_bytes=100)
    for _ in range(3):
        with pytest.raises(VideoError, match="not a video"):
            store.open("photo.mp4", b"\xff\xd8\xff\xe0 a JPEG")
