"""Which frame each model sees, and what the browser is told; the networks are stand-ins."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from featherface.checkpoints import UserCheckpoint
from featherface.checkpoints.detector_files import detector_files, inspect_detector
from featherface.config import INPUT_SIZE_RANGE
from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.detection.settings import DetectionSettings, SettingsError
from featherface.models import CENTERFACE, MODELS, YUNET
from featherface.serving import model_service
from featherface.serving.live_session import MAX_FRAME_BYTES, LiveError, LiveSession, LiveSettings
from featherface.serving.model_service import ModelService
from tests.detector_models import centerface_model, yunet_model
from tests.video.seeded import faces

FAST, SLOW = tuple(MODELS)[::-1][:2]


def jpeg(level: int) -> bytes:
    _, data = cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))
    return data.tobytes()


class Gated:
    """A service whose passes end when the test says so, and that remembers the grey level of each frame."""

    def __init__(self) -> None:
        self.gates = {key: threading.Semaphore(0) for key in MODELS}
        self.seen: dict[str, list[int]] = {key: [] for key in MODELS}

    def detect_frame(
        self, photo: Photo, key: str, settings: DetectionSettings, *, weights: object = None
    ) -> tuple[Detections, Mapping[str, float]]:
        self.seen[key].append(round(float(photo.pixels.mean()) / 10))
        self.gates[key].acquire()
        return faces((8, 8, 40, 40)), {"queue": 0.0, "network": 1.0}


async def until(condition) -> None:
    while not condition():
        await asyncio.sleep(0)


def play(scenario, clock=time.perf_counter) -> tuple[Gated, list[dict]]:
    """Run `scenario(session, service, answers)` beside a live session."""

    async def run() -> tuple[Gated, list[dict]]:
        service, answers = Gated(), []

        async def send(message: dict) -> None:
            answers.append(message)

        session = LiveSession(service, send, LiveSettings(models=(SLOW, FAST)), clock)
        running = asyncio.create_task(session.run())
        try:
            await asyncio.wait_for(scenario(session, service, answers), 20)
        finally:
            for gate in service.gates.values():
                gate.release(100)
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        return service, answers

    return asyncio.run(run())


def test_newest_frame_wins_and_the_slow_model_sees_frames_of_the_fast_one() -> None:
    async def scenario(session: LiveSession, service: Gated, answers: list[dict]) -> None:
        await session.offer(1, jpeg(10))
        await until(lambda: service.seen == {**service.seen, FAST: [1], SLOW: [1]})
        service.gates[FAST].release()
        await until(lambda: len(answers) == 1)
        for number in (2, 3, 4):
            await session.offer(number, jpeg(10 * number))
            if number == 2:
                await until(lambda: len(service.seen[FAST]) == 2)  # it takes the frame at once
        service.gates[SLOW].release()  # free while the fast one still works on frame 2
        await until(lambda: len(service.seen[SLOW]) == 2)
        service.gates[FAST].release()
        service.gates[SLOW].release()
        await until(lambda: len(service.seen[FAST]) == 3 and len(answers) >= 4)

    service, answers = play(scenario)
    assert service.seen[FAST][:3] == [1, 2, 4]  # frame 3 was dropped: 4 was newer
    assert service.seen[SLOW][:2] == [1, 2]
    by_frame = {(answer["model"], answer["frame"]): answer for answer in answers}
    assert "agreement" not in by_frame[FAST, 1]  # the first to answer cannot know
    assert by_frame[SLOW, 1]["agreement"] == {"both": 1, "only": {SLOW: 0, FAST: 0}}
    assert by_frame[SLOW, 1]["size"] == (64, 48)
    assert by_frame[SLOW, 1]["milliseconds"]["network"] == 1.0


def test_dropped_frames_are_counted_per_model() -> None:
    async def scenario(session: LiveSession, service: Gated, answers: list[dict]) -> None:
        await session.offer(1, jpeg(10))
        await until(lambda: service.seen[FAST] == [1] and service.seen[SLOW] == [1])
        for number in (2, 3, 4, 5):
            await session.offer(number, jpeg(10 * number))
        for key in (FAST, SLOW):
            service.gates[key].release(2)
        await until(lambda: len(answers) == 4)

    _, answers = play(scenario)
    assert {answer["frame"]: answer["dropped"] for answer in answers} == {1: 0, 5: 3}


def test_frames_that_pass_while_a_model_is_not_chosen_are_not_dropped() -> None:
    async def scenario(session: LiveSession, service: Gated, answers: list[dict]) -> None:
        async def answered(number: int, count: int) -> None:
            await session.offer(number, jpeg(10 * number))
            await until(lambda: len(answers) == count)

        for gate in service.gates.values():
            gate.release(10)
        await answered(1, 2)
        await session.change(LiveSettings(models=(FAST,)))
        await answered(2, 3)
        await answered(3, 4)
        await session.change(LiveSettings(models=(SLOW, FAST)))
        await until(lambda: len(answers) == 5)  # the slow model takes the newest frame
        await answered(4, 7)

    _, answers = play(scenario)
    assert [answer["dropped"] for answer in answers] == [0] * 7
    assert [answer["frame"] for answer in answers if answer["model"] == SLOW] == [1, 3, 4]


def test_the_wait_for_a_busy_model_counts_as_queue() -> None:
    seconds = [0.0]

    async def scenario(session: LiveSession, service: Gated, answers: list[dict]) -> None:
        await session.offer(1, jpeg(10))
        await until(lambda: service.seen[FAST] == [1] and service.seen[SLOW] == [1])
        await session.offer(2, jpeg(20))
        seconds[0] = 0.25  # while both models work on frame 1
        for gate in service.gates.values():
            gate.release(2)
        await until(lambda: len(answers) == 4)

    _, answers = play(scenario, lambda: seconds[0])
    queued = [(answer["frame"], answer["milliseconds"]["queue"]) for answer in answers]
    assert sorted(queued) == [(1, 0.0), (1, 0.0), (2, 250.0), (2, 250.0)]


def test_a_frame_that_is_no_image_is_a_sentence_and_the_next_one_works() -> None:
    async def scenario(session: LiveSession, service: Gated, answers: list[dict]) -> None:
        for gate in service.gates.values():
            gate.release(2)
        await session.offer(1, b"no JPEG")
        await until(lambda: len(answers) == 2)
        await session.offer(2, jpeg(20))
        await until(lambda: len(answers) == 4)

    _, answers = play(scenario)
    assert [sorted(answer) for answer in answers[:2]] == [["error", "frame", "model"]] * 2
    assert all("faces" in answer for answer in answers[2:])


def test_settings_hold_from_the_next_frame_on() -> None:
    async def scenario(session: LiveSession, service: Gated, answers: list[dict]) -> None:
        await session.change(LiveSettings(models=(FAST,)))
        service.gates[FAST].release()
        await session.offer(1, jpeg(10))
        await until(lambda: len(answers) == 1)

    service, answers = play(scenario)
    assert [answer["model"] for answer in answers] == [FAST]
    assert service.seen[SLOW] == []


def test_other_detectors_run_from_the_visitors_own_file(tmp_path: Path) -> None:
    """CenterFace from a file that was uploaded, YuNet from the folder; agreement as for any two models."""
    uploaded = inspect_detector(Path("own.onnx"), centerface_model())
    (tmp_path / "yunet.onnx").write_bytes(yunet_model())
    service = ModelService(tmp_path)
    service.remember_upload(uploaded)
    settings = LiveSettings.from_message(
        {"models": [YUNET, CENTERFACE], "files": {CENTERFACE: uploaded.sha256}, "input_size": 128}
    )
    answers: list[dict] = []

    async def send(message: dict) -> None:
        answers.append(message)

    async def run() -> None:
        session = LiveSession(service, send, settings)
        running = asyncio.create_task(session.run())
        await session.offer(1, jpeg(255))
        await asyncio.wait_for(until(lambda: len(answers) == 2), 20)
        await session.change(replace(settings, files={CENTERFACE: "gone"}))
        await session.offer(2, jpeg(255))
        await asyncio.wait_for(until(lambda: len(answers) == 4), 20)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(run())

    assert {answer["model"] for answer in answers[:2]} == {YUNET, CENTERFACE}
    assert all(answer["faces"]["boxes"] for answer in answers[:2])
    assert set(answers[1]["agreement"]["only"]) == {YUNET, CENTERFACE}
    (refusal,) = (answer["error"] for answer in answers[2:] if "error" in answer)
    assert refusal == "The model file of CenterFace is gone; add it again."


def test_the_weights_folder_is_searched_once_for_all_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yunet.onnx").write_bytes(yunet_model())
    searched: list[Path] = []

    def search(folder: Path) -> list[UserCheckpoint]:
        searched.append(folder)
        return detector_files(folder)

    monkeypatch.setattr(model_service, "detector_files", search)
    answers: list[dict] = []

    async def run() -> None:
        async def send(message: dict) -> None:
            answers.append(message)

        session = LiveSession(ModelService(tmp_path), send, LiveSettings((YUNET,)))
        running = asyncio.create_task(session.run())
        for number in (1, 2, 3):
            await session.offer(number, jpeg(255))
            await asyncio.wait_for(until(lambda count=number: len(answers) == count), 20)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(run())
    assert all(answer["faces"]["boxes"] for answer in answers)
    assert searched == [tmp_path]


def test_too_large_a_frame_is_refused() -> None:
    async def scenario(session: LiveSession, service: Gated, answers: list[dict]) -> None:
        with pytest.raises(LiveError, match="limit is 2 MB"):
            await session.offer(1, bytes(MAX_FRAME_BYTES + 1))

    play(scenario)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("name", ["confidence", "nms_iou"])
def test_settings_that_are_no_finite_number(name: str, value: float) -> None:
    with pytest.raises(SettingsError):
        LiveSettings.from_message({name: value})


@pytest.mark.parametrize(
    "message",
    [
        {"models": ["nobody"]},
        {"models": []},
        {"models": [FAST, FAST]},
        {"models": 3},
        {"confidence": "high"},
        {"confidence": None},
        {"input_size": [640]},
        {"input_size": float("inf")},  # JSON has no such number, but Python reads it
        {"input_size": float("nan")},
        {"confidence": 10**400},
        {"nms_iou": 10**400},
    ],
)
def test_settings_that_make_no_sense(message: dict) -> None:
    with pytest.raises(LiveError):
        LiveSettings.from_message(message)


def test_settings_out_of_range() -> None:
    with pytest.raises(SettingsError):
        LiveSettings.from_message({"confidence": 7})
    with pytest.raises(SettingsError):
        LiveSettings.from_message({"input_size": INPUT_SIZE_RANGE[1] + 1})
    read = LiveSettings.from_message({"models": [FAST], "confidence": 0.3, "nms_iou": 0.5, "input_size": 320})
    assert (read.models, read.detection) == ((FAST,), DetectionSettings(0.3, 0.5, input_size=320))
