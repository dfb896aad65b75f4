"""The memory of videos when two runs of a page overlap, as after a click while a video is read."""

from __future__ import annotations

import pytest

from featherface.dashboard.state import session_video
from featherface.dashboard.state.session_video import SessionVideo
from featherface.serving import video_job
from featherface.serving.video_job import VideoStore


def test_a_video_that_two_runs_of_the_page_open_at_once_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = b"a video"
    store, mine = VideoStore(max_bytes=2 * len(clip)), SessionVideo()
    open_video = store.open

    def open_after_another_run(name: str, data: bytes) -> video_job.OpenVideo:
        monkeypatch.setattr(store, "open", open_video)
        mine.open("another.mp4", clip)
        return open_video(name, data)

    monkeypatch.setattr(video_job, "probe_video", lambda data, name: None)
    monkeypatch.setattr(session_video, "video_store", lambda: store)
    monkeypatch.setattr(store, "open", open_after_another_run)
    mine.open("clip.mp4", clip)
    assert mine.video is not None
    assert mine.video.name == "clip.mp4"
    mine.close()
    for _ in range(2):  # as much as the store holds
        store.open("next.mp4", clip)
