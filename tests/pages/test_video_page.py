"""The Video page from an upload to the results, without a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.serving.model_service import ModelService
from featherface.serving.video_job import VideoJob, VideoStore
from featherface.video import decoding
from featherface.video.decoding import Frame, frame_at
from tests.video.seeded import CLIPS, faces

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[VideoJob]:
    """The analyses that the page starts."""
    started: list[VideoJob] = []
    analyse = VideoStore.analyse

    def remembered(*arguments: object, **options: object) -> VideoJob:
        started.append(analyse(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(VideoStore, "analyse", remembered)
    return started


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(ModelService, "detect_frame", lambda *_: (faces((60, 20, 120, 100)), {"queue": 0.0}))
    st.cache_resource.clear()
    return AppTest.from_file(str(ROOT / "pages" / "video.py"), default_timeout=120)


def upload(page: AppTest, name: str) -> AppTest:
    page.run()
    page.file_uploader[0].upload(name, (CLIPS / name).read_bytes(), "video/mp4")
    return page.run()


def test_opens_empty(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert page.title[0].value == "Compare on a video"
    assert len(page.file_uploader) == 1


def test_from_upload_to_results(page: AppTest, jobs: list[VideoJob]) -> None:
    upload(page, "h264.mp4")
    assert not page.exception
    assert any("208 × 160 pixels" in text.value for text in page.markdown)
    next(button for button in page.button if button.label == "Analyse video").click().run()
    jobs[0].wait()
    page.run()
    assert not page.exception
    assert [header.value for header in page.subheader] == [
        "Timeline",
        "Frame 0 at 0.00 s",
        "Stability",
        "Downloads",
    ]
    next(button for button in page.button if button.label == "Next frame").click().run()
    assert page.subheader[1].value.startswith("Frame 1 at")
    table = page.dataframe[0].value
    assert table["Tracks"].tolist() == [1, 1]


def test_a_frame_opens_on_the_detection_page_with_the_settings_of_its_analysis(
    page: AppTest, jobs: list[VideoJob], open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With that page's own defaults, such as several sizes, the models would find other faces there."""
    addresses: list[dict[str, str]] = []
    monkeypatch.setattr(st, "switch_page", lambda _page, query_params: addresses.append(query_params))
    for name, value in {"video_conf": "0.35", "video_nms": "0.3", "video_input_size": "320"}.items():
        page.query_params[name] = value
    upload(page, "h264.mp4")
    next(button for button in page.button if button.label == "Analyse video").click().run()
    jobs[0].wait()
    page.run()
    page.slider(key="video_conf").set_value(0.45)  # filters the results that are there
    page.slider(key="video_nms").set_value(0.6)  # both only for the next analysis
    page.slider(key="video_input_size").set_value(640).run()
    chosen_before = {"weights_v1": "own.pth", "input_size": 1280, "rotated": True, "linked": False}
    for key, value in chosen_before.items():  # on the Detection page
        page.session_state[key] = value
    label = "Open this frame on the Detection page"
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    expected = {"weights_v1": "Shipped with the project", "input_size": 320, "rotated": False, "linked": True}
    assert {key: page.session_state[key] for key in expected} == expected
    detection = open_page(**addresses[0])
    assert detection.get_by_key("resize").value == "fit"
    assert detection.toggle(key="scales_fit").value is False
    sliders = {name: detection.slider(key=name).value for name in ("conf", "nms", "input_size")}
    assert sliders == {"conf": 0.45, "nms": 0.3, "input_size": 320}


def test_an_analysis_that_waits_can_be_stopped(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    started, release = threading.Event(), threading.Event()

    def busy(_: Photo) -> Detections:
        started.set()
        assert release.wait(60)
        return faces()

    store = VideoStore(jobs=1)
    for module in ("state.session_video", "components.video_panel"):
        monkeypatch.setattr(f"featherface.dashboard.{module}.video_store", lambda: store)
    others = store.open("other.mp4", (CLIPS / "h264.mp4").read_bytes())
    other = store.analyse(others, {"v1": busy}, every=12)
    assert started.wait(60)
    try:
        upload(page, "h264.mp4")
        next(button for button in page.button if button.label == "Analyse video").click().run()
        next(button for button in page.button if button.label == "Stop and keep the results").click().run()
        assert not page.exception
        assert any(caption.value == "Stopped before the first frame." for caption in page.caption)
        assert any(button.label == "Analyse again" for button in page.button)
        next(button for button in page.button if button.label == "Close video").click().run()
    finally:
        release.set()
        other.wait()


def test_a_video_beyond_the_limit_says_where_it_was_cut(
    page: AppTest, jobs: list[VideoJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(page, "h264.mp4")
    monkeypatch.setattr(decoding, "MAX_FRAMES", 20)  # as if the header had stated fewer frames
    next(button for button in page.button if button.label == "Analyse video").click().run()
    jobs[0].wait()
    page.run()
    assert not page.exception
    (text,) = (caption.value for caption in page.caption if caption.value.startswith("Analysed 20 frames"))
    assert "Stopped at the limit of 5 minutes" in text
    assert "ends early" not in text


def test_frames_of_a_closed_video_are_not_kept(page: AppTest, jobs: list[VideoJob], monkeypatch) -> None:
    decoded = []

    def remembered(data: bytes, name: str, index: int, seconds: float) -> Frame:
        decoded.append(index)
        return frame_at(data, name, index, seconds)

    monkeypatch.setattr("featherface.dashboard.components.video_panel.frame_at", remembered)
    for number in range(2):
        upload(page, "h264.mp4")
        next(button for button in page.button if button.label == "Analyse video").click().run()
        jobs[number].wait()
        page.run()
        next(button for button in page.button if button.label == "Close video").click().run()
    assert not page.exception
    assert decoded == [0, 0]


def test_a_file_that_cannot_be_used_is_a_sentence(page: AppTest) -> None:
    upload(page, "audio_only.mp4")
    assert not page.exception
    assert ["no video track" in error.value for error in page.error] == [True]
