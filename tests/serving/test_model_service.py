from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from featherface.checkpoints import WeightsError, inspect_checkpoint, load_network, save_weights
from featherface.checkpoints.detector_files import inspect_detector
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector
from featherface.detection.images import Photo, decode_photo
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.engines.choice import load_engine
from featherface.models import MODELS, YUNET
from featherface.serving import model_service as service_module
from featherface.serving.model_service import ModelService, UntrainedError
from featherface.serving.network_queue import NetworkQueue, ServiceBusyError
from tests.detector_models import edited, yunet_model

V1, V2 = MODELS["v1"], MODELS["v2"]
SETTINGS = DetectionSettings(input_size=128)
TIMEOUT = 60  # seconds; only a deadlock takes so long


class SessionGone(BaseException):
    """What a web framework raises inside a callback when its session has ended."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder in which V2 has weights (random ones, which find plenty) and V1 has none."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_weights(V2.builder(), V2, folder / V2.weights, {"recipe": "test"})
    return folder


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def passes(monkeypatch) -> list[Photo]:
    """The photos that went through a network, in order."""
    seen = []

    class Counting(Detector):
        def candidates(self, photos, resize, input_size):
            seen.extend(photos)
            return super().candidates(photos, resize, input_size)

    monkeypatch.setattr(service_module, "Detector", Counting)
    return seen


def photo(seed: int) -> Photo:
    return decode_photo(np.random.default_rng(seed).integers(0, 256, (96, 128, 3), np.uint8))


def same(first: Detections, second: Detections) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("boxes", "scores", "landmarks")
    )


def in_thread(call: Callable[[], object]) -> Future:
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class Blocker:
    """Work that holds a queue until it is released."""

    def __init__(self, queue: NetworkQueue) -> None:
        started, self.release = threading.Event(), threading.Event()
        self.future = in_thread(lambda: queue.run(lambda: (started.set(), self.release.wait(TIMEOUT))))
        assert started.wait(TIMEOUT)


def waiting(queue: NetworkQueue, work: Callable[[], object]) -> tuple[Future, list[int]]:
    """Queue `work` in a thread; return once it waits. The list receives each position it is told."""
    positions: list[int] = []
    told = threading.Event()

    def on_wait(position: int) -> None:
        positions.append(position)
        told.set()

    future = in_thread(lambda: queue.run(work, on_wait))
    assert told.wait(TIMEOUT)
    return future, positions


def test_status_of_trained_and_untrained(trained):
    service = ModelService(trained)
    v1, v2 = service.models()
    assert (v1.key, v1.state, v1.weights) == ("v1", "untrained", None)
    assert "FeatherFace V1 has no trained weights yet" in v1.message
    assert (v2.key, v2.state, v2.weights.source) == ("v2", "ready", "shipped")
    assert v2.weights.provenance == {"recipe": "test"}
    with pytest.raises(UntrainedError, match="random"):
        service.detect(photo(0), "v1", SETTINGS)


def test_detects_what_the_detector_detects(trained):
    result = ModelService(trained).detect(photo(0), "v2", SETTINGS)
    expected = Detector(load_engine(load_network(V2, trained / V2.weights))).detect(photo(0), SETTINGS)
    assert len(expected) > 0
    assert same(result.detections, expected)
    assert set(result.milliseconds) == {"preprocess", "network", "postprocess"}
    assert result.input_size == (96, 128)


def test_a_frame_has_the_faces_of_the_photo_and_is_not_cached(trained, passes):
    service = ModelService(trained)
    found, milliseconds = service.detect_frame(photo(0), "v2", SETTINGS)
    assert same(found, service.detect(photo(0), "v2", SETTINGS).detections)
    assert set(milliseconds) == {"queue", "preprocess", "network", "postprocess"}
    assert all(value >= 0 for value in milliseconds.values())
    service.detect_frame(photo(0), "v2", SETTINGS)
    assert len(passes) == 3
    with pytest.raises(UntrainedError, match="random"):
        service.detect_frame(photo(0), "v1", SETTINGS)


def test_the_network_runs_once_a_photo_model_and_size(trained, passes):
    service = ModelService(trained)
    first = service.detect(photo(0), "v2", SETTINGS)
    moved = service.detect(
        photo(0), "v2", DetectionSettings(confidence=0.7, nms_iou=0.3, top_k=2, input_size=128)
    )
    assert (first.from_cache, moved.from_cache, len(passes)) == (False, True, 1)
    assert len(moved.detections) <= 2
    service.detect(photo(1), "v2", SETTINGS)
    service.detect(photo(0), "v2", DetectionSettings(input_size=160))
    service.detect(photo(0), "v2", DetectionSettings(input_size=128, resize=Resize.STUDY))
    assert len(passes) == 4
    service.detect(photo(0), "v2", DetectionSettings(input_size=160, resize=Resize.ORIGINAL))
    service.detect(photo(0), "v2", DetectionSettings(input_size=192, resize=Resize.ORIGINAL))
    assert len(passes) == 5  # original size does not depend on the input size


def test_sessions_cannot_change_each_others_results(trained):
    result = ModelService(trained).candidates(photo(0), "v2", Resize.FIT, 128)
    with pytest.raises(ValueError, match="read-only"):
        result.detections.boxes[0] = 0
    with pytest.raises(TypeError):
        result.milliseconds["network"] = 0


def test_the_cache_is_bounded_in_bytes(trained, passes):
    size = ModelService(trained).candidates(photo(0), "v2", Resize.FIT, 128).detections.nbytes
    service = ModelService(trained, cache_bytes=int(size * 2.8))
    for seed in (0, 1, 0, 2, 0, 1):
        service.candidates(photo(seed), "v2", Resize.FIT, 128)
    assert len(passes) == 1 + 4  # 0, 1, 2, then 1 again: the least recently used was dropped


def test_sessions_that_ask_for_the_same_share_one_pass(trained, passes):
    queue = NetworkQueue(workers=1)
    service = ModelService(trained, queue=queue)
    blocker = Blocker(queue)
    with ThreadPoolExecutor(8) as sessions:
        asked = [sessions.submit(service.detect, photo(0), "v2", SETTINGS) for _ in range(8)]
        blocker.release.set()
        results = [future.result(TIMEOUT) for future in asked]
    assert len(passes) == 1
    assert sorted(result.from_cache for result in results) == [False] + [True] * 7
    assert all(same(result.detections, results[0].detections) for result in results)


def test_many_sessions_get_what_each_would_get_alone(trained):
    single_user, service = ModelService(trained), ModelService(trained)
    alone = [single_user.detect(photo(seed), "v2", SETTINGS).detections for seed in range(6)]
    with ThreadPoolExecutor(12) as sessions:
        asked = [(n % 6, sessions.submit(service.detect, photo(n % 6), "v2", SETTINGS)) for n in range(36)]
        assert all(same(future.result(TIMEOUT).detections, alone[seed]) for seed, future in asked)


def test_a_session_that_goes_while_it_waits_leaves_its_pass_to_others(trained, passes):
    queue = NetworkQueue(workers=1)
    service = ModelService(trained, queue=queue)
    blocker = Blocker(queue)

    def go(position: int) -> None:
        raise SessionGone

    gone = in_thread(lambda: service.detect(photo(0), "v2", SETTINGS, on_wait=go))
    assert isinstance(gone.exception(TIMEOUT), SessionGone)
    blocker.release.set()
    assert not service.detect(photo(0), "v2", SETTINGS).from_cache
    assert len(passes) == 1


def test_where_the_first_session_fails_the_next_tries_itself(trained, monkeypatch):
    queue = NetworkQueue()
    service = ModelService(trained, queue=queue)
    claimed, release = threading.Event(), threading.Event()
    run = queue.run

    def failing_run(work, on_wait):
        monkeypatch.setattr(queue, "run", run)  # fails once
        claimed.set()
        release.wait(TIMEOUT)
        raise MemoryError

    monkeypatch.setattr(queue, "run", failing_run)
    first = in_thread(lambda: service.detect(photo(0), "v2", SETTINGS))
    assert claimed.wait(TIMEOUT)
    second = in_thread(lambda: service.detect(photo(0), "v2", SETTINGS))
    release.set()
    assert isinstance(first.exception(TIMEOUT), MemoryError)
    assert len(second.result(TIMEOUT).detections) > 0


def test_the_queue_serves_in_order_and_tells_positions():
    queue, done = NetworkQueue(workers=1), []
    blocker = Blocker(queue)
    waits = [waiting(queue, lambda n=n: done.append(n)) for n in range(3)]
    blocker.release.set()
    for future, _ in waits:
        future.result(TIMEOUT)
    assert done == [0, 1, 2]
    assert [positions[0] for _, positions in waits] == [1, 2, 3]
    assert all(positions == sorted(positions, reverse=True) for _, positions in waits)


def test_a_full_queue_answers_at_once_with_the_position():
    queue = NetworkQueue(workers=1, max_waiting=2)
    blocker = Blocker(queue)
    waits = [waiting(queue, lambda: "served") for _ in range(2)]
    with pytest.raises(ServiceBusyError, match="queue position 3") as busy:
        queue.run(lambda: None)
    assert busy.value.position == 3
    blocker.release.set()
    assert [future.result(TIMEOUT) for future, _ in waits] == ["served", "served"]
    assert queue.run(lambda: "again") == "again"


def test_as_many_run_at_once_as_there_are_workers():
    queue = NetworkQueue(workers=2, max_waiting=1)
    blockers = [Blocker(queue), Blocker(queue)]
    future, positions = waiting(queue, lambda: "served")
    with pytest.raises(ServiceBusyError) as busy:
        queue.run(lambda: None)
    assert (positions, busy.value.position) == ([1], 2)
    blockers[1].release.set()
    assert future.result(TIMEOUT) == "served"
    blockers[0].release.set()


def test_networks_run_on_one_core_each():
    assert NetworkQueue().run(torch.get_num_threads) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
def test_networks_give_way_to_everything_else():
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    lowest = 19
    assert NetworkQueue().run(niceness) >= min(niceness() + 1, lowest)


def test_an_error_in_the_queue_reaches_its_caller_only():
    queue = NetworkQueue()
    with pytest.raises(ZeroDivisionError):
        queue.run(lambda: 1 / 0)
    assert queue.run(lambda: 1) == 1


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"spoilt"), lambda path: path.unlink()])
def test_weights_spoilt_while_running_break_nothing_that_is_loaded(spoil, folder):
    service = ModelService(folder)
    before = service.detect(photo(0), "v2", SETTINGS)
    spoil(folder / V2.weights)
    assert service.weights_info("v2").state == "ready"
    after = service.detect(photo(1), "v2", SETTINGS)
    assert not after.from_cache
    assert after.weights == before.weights

    fresh = ModelService(folder)
    assert fresh.weights_info("v2").state == "refused"
    with pytest.raises(WeightsError, match=V2.weights):
        fresh.detect(photo(0), "v2", SETTINGS)


def test_weights_that_arrive_while_running_are_used(tmp_path, trained):
    service = ModelService(tmp_path)
    assert service.weights_info("v2").state == "untrained"
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert service.weights_info("v2").state == "ready"
    service.detect(photo(0), "v2", SETTINGS)


def test_a_persons_own_checkpoint(trained, tmp_path, passes):
    torch.manual_seed(1)
    torch.save(V2.builder().state_dict(), tmp_path / "mine.pth")
    mine = inspect_checkpoint(tmp_path / "mine.pth")
    service = ModelService(trained)
    shipped = service.detect(photo(0), "v2", SETTINGS)
    own = service.detect(photo(0), "v2", SETTINGS, weights=mine)
    assert own.weights == mine
    assert not own.from_cache
    assert not same(own.detections, shipped.detections)
    with pytest.raises(WeightsError, match=r"mine\.pth contains weights of FeatherFace V2, not of .* V1"):
        service.detect(photo(0), "v1", SETTINGS, weights=mine)

    (tmp_path / "mine.pth").write_bytes(b"spoilt")
    assert not service.detect(photo(1), "v2", SETTINGS, weights=mine).from_cache
    with pytest.raises(WeightsError, match="checksum"):
        ModelService(trained).detect(photo(0), "v2", SETTINGS, weights=mine)


def test_several_passes_are_merged_and_each_is_kept(trained, passes):
    service = ModelService(trained)
    plain = service.candidates(photo(0), "v2", Resize.FIT, 128)
    rotated = DetectionSettings(input_size=128, rotated=True)
    first = service.merged_candidates(photo(0), "v2", rotated)
    assert len(passes) == 4  # the upright pass was there
    assert [one.degrees for one in first.passes] == [0, 90, 180, 270]
    assert len(first.detections.found_by) == len(first.detections) > 0
    assert first.milliseconds["network"] >= plain.milliseconds["network"]
    again = service.merged_candidates(photo(0), "v2", replace(rotated, confidence=0.9))
    assert (again.from_cache, len(passes)) == (True, 4)
    assert same(again.detections, first.detections)
    assert same(service.merged_candidates(photo(0), "v2", SETTINGS).detections, plain.detections)


def test_another_detector_runs_once_per_photo_and_file(tmp_path):
    (tmp_path / "own.onnx").write_bytes(yunet_model())
    service = ModelService(tmp_path)

    first = service.merged_candidates(photo(0), YUNET, SETTINGS)
    again = service.merged_candidates(photo(0), YUNET, SETTINGS)

    assert (first.from_cache, again.from_cache) == (False, True)
    assert (first.weights.path.name, first.engine.name, first.input_size) == ("own.onnx", "OpenCV", (96, 128))
    assert len(first.detections) > 0
    assert service.detector_weights(YUNET, first.weights.sha256) == first.weights


def test_a_result_from_the_cache_names_the_visitors_own_file(tmp_path):
    first, second = (inspect_detector(Path(name), yunet_model()) for name in ("first.onnx", "second.onnx"))
    service = ModelService(tmp_path)

    service.candidates(photo(0), YUNET, Resize.FIT, 128, weights=first)
    again = service.candidates(photo(0), YUNET, Resize.FIT, 128, weights=second)

    assert (again.from_cache, again.weights.path.name) == (True, "second.onnx")
    assert again.weights.content == yunet_model()  # so that it can run on the next photo


def test_the_cache_does_not_keep_uploaded_files(tmp_path):
    uploaded = inspect_detector(Path("own.onnx"), yunet_model())
    service = ModelService(tmp_path)
    assert not service.candidates(photo(0), YUNET, Resize.FIT, 128, weights=uploaded).from_cache

    kept = weakref.ref(uploaded)
    del uploaded
    gc.collect()
    assert kept() is None


def test_another_detector_without_a_file_is_a_sentence(tmp_path):
    service = ModelService(tmp_path)

    assert service.weights_info(YUNET).message == "There is no model file of YuNet (ONNX) yet."
    with pytest.raises(UntrainedError, match="There is no model file of YuNet"):
        service.detect_frame(photo(0), YUNET, SETTINGS)


def test_a_model_file_that_cannot_be_run_is_a_sentence(tmp_path):
    def break_node(model):
        model.graph.node[-1].input[0] = "nowhere"

    uploaded = inspect_detector(Path("own.onnx"), edited(yunet_model(), break_node))

    with pytest.raises(WeightsError, match=r"own\.onnx cannot be used: The model file cannot be run"):
        ModelService(tmp_path).candidates(photo(0), YUNET, Resize.FIT, 128, weights=uploaded)
