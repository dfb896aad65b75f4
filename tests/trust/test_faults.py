"""What goes wrong while the service runs: weights, disk, memory, visitors. Nothing shared is left broken."""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from corpus import encoded, is_sentence, noise

from featherface.checkpoints import (
    WeightsError,
    load_network,
    record_path,
    save_weights,
    shipped_weights,
    verify,
)
from featherface.cli.main import main
from featherface.detection.images import ImageError, Photo, decode_photo
from featherface.detection.preprocess import Prepared, Resize, prepare
from featherface.detection.settings import DetectionSettings
from featherface.errors import FeatherFaceError
from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.evaluation.curves import SavedCurves, load_curves, save_curves
from featherface.evaluation.image_sets import EncodedImage
from featherface.evaluation.predictions import read_predictions, resume_predictions
from featherface.evaluation.run import Predictor, predict_images
from featherface.models import MODELS
from featherface.profiling.latency import LatencySettings, Progress
from featherface.serving import benchmark_queue as benchmarks
from featherface.serving import model_service as service_module
from featherface.serving.benchmark_queue import BenchmarkQueue, BenchmarkRequest
from featherface.serving.model_service import ModelService
from featherface.serving.network_queue import NetworkQueue
from featherface.study import summary as study
from featherface.study.results import load_networks
from featherface.training.run_state import RunStateError, load_run_state, save_run_states

V2 = MODELS["v2"]
SETTINGS = DetectionSettings(input_size=128)
PATIENCE = 60  # seconds; only a deadlock takes so long


@pytest.fixture
def folder(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(seeded, tmp_path / "weights"))


def photo(width: int = 96) -> Photo:
    return decode_photo(noise(width, 64))


SPOIL: dict[str, Callable[[Path], object]] = {
    "corrupted": lambda path: path.write_bytes(b"spoilt" + path.read_bytes()[6:]),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "deleted": Path.unlink,
    "record deleted": lambda path: record_path(path).unlink(),
    "both deleted": lambda path: (path.unlink(), record_path(path).unlink()),
}


@pytest.mark.parametrize("how", SPOIL)
def test_weights_lost_while_running_and_found_again(how, folder, seeded):
    """A service that has loaded them goes on; one that has not says so, and starts once they are back."""
    running, starting = ModelService(folder), ModelService(folder)
    before = running.detect(photo(), "v2", SETTINGS).detections
    SPOIL[how](folder / V2.weights)
    assert running.detect(photo(97), "v2", SETTINGS).weights.sha256 == shipped_weights(V2, seeded).sha256
    status = starting.weights_info("v2")
    assert status.state in ("refused", "untrained")
    assert is_sentence(status.message)
    with pytest.raises(FeatherFaceError) as raised:
        starting.detect(photo(), "v2", SETTINGS)
    assert str(raised.value) == status.message

    shutil.copytree(seeded, folder, dirs_exist_ok=True)
    assert starting.weights_info("v2").state == "ready"
    assert starting.detect(photo(), "v2", SETTINGS).detections.to_dict() == before.to_dict()


def test_weights_lost_between_the_look_and_the_load(folder, seeded):
    service = ModelService(folder)
    weights = service.weights_info("v2").weights
    (folder / V2.weights).unlink()
    with pytest.raises(WeightsError) as raised:
        service.detect(photo(), "v2", SETTINGS, weights=weights)
    assert is_sentence(str(raised.value))
    shutil.copytree(seeded, folder, dirs_exist_ok=True)
    assert len(service.detect(photo(), "v2", SETTINGS, weights=weights).detections) > 0


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Let no file grow beyond `room` bytes: what is over fails half written, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("room", "note"),
    [
        pytest.param(1_000, "", id="room for neither"),
        pytest.param(2_000_000, "x" * 3_000_000, id="room for the weights and not for their record"),
    ],
)
def test_weights_and_record_stay_a_pair(folder, room, note):
    before = listing(folder)
    with full_disk(room), pytest.raises(OSError, match="featherface_v2"):
        save_weights(V2.builder(), V2, folder / V2.weights, {"note": note})
    assert listing(folder) == before
    verify(shipped_weights(V2, folder))


def curves(points: int) -> list[SavedCurves]:
    line = np.linspace(0, 1, points)
    evaluation = Evaluation("WIDER FACE", 7, {"easy": Curve(line, line, line, 3, 0.5)})
    return [SavedCurves("v1", "abc", "val", "fit", 640, "2026-01-01T00:00:00+00:00", {}, evaluation)]


def test_curves_stay_as_they_were(tmp_path):
    path = tmp_path / "v1.json"
    save_curves(path, curves(5))
    with full_disk(1_000), pytest.raises(OSError, match=r"v1\.json"):
        save_curves(path, curves(500))
    assert len(load_curves(path)[0].evaluation.curves["easy"].recall) == 5
    assert set(listing(tmp_path)) == {"v1.json"}


def test_the_summary_of_the_study_stays_as_it_was(tmp_path, monkeypatch):
    (tmp_path / study.SUMMARY_FILE).write_text("the old one")
    monkeypatch.setattr(study, "record", lambda _: {"long": "x" * 5_000})
    with full_disk(1_000), pytest.raises(OSError, match=study.SUMMARY_FILE):
        study.write(None, tmp_path)
    assert listing(tmp_path) == {study.SUMMARY_FILE: b"the old one"}


def test_the_training_checkpoint_before_is_kept(tmp_path):
    path = tmp_path / "last.pt"
    save_run_states({path: {"model": {}, "ema": {}, "step": 7}})
    with full_disk(4_000), pytest.raises(RunStateError, match="previous file is unchanged"):
        save_run_states({path: {"model": {"weight": torch.zeros(10_000)}, "ema": {}, "step": 8}})
    assert load_run_state(path)["step"] == 7
    assert set(listing(tmp_path)) == {"last.pt"}


def test_predictions_go_on_where_the_disk_was_full(seeded, tmp_path, capsys):
    images = [
        EncodedImage(f"{n}.png", f"{n}.png", partial(encoded, noise(40 + n, 40), "PNG")) for n in range(4)
    ]
    predictor = Predictor(load_network(V2, seeded / V2.weights), SETTINGS)
    whole = predict_images(predictor, images)
    output = tmp_path / "found.jsonl"
    resume_predictions(output, {"model": "v2"})
    room = sum(len(prediction.to_line()) for prediction in whole[:2]) + 10
    with full_disk(room), pytest.raises(OSError, match="File too large"):
        predict_images(predictor, images, output=output)
    finished = resume_predictions(output, {"model": "v2"})
    assert [prediction.image for prediction in finished] == ["0.png", "1.png"]
    predict_images(predictor, images, finished=finished, output=output)
    assert [one.to_line() for one in read_predictions(output)] == [one.to_line() for one in whole]


@pytest.fixture
def command(seeded: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command `detect` with seeded V2."""
    monkeypatch.setattr(service_module, "ModelService", partial(ModelService, seeded))
    return lambda *arguments: main(["detect", "--model", "v2", "--size", "128", *map(str, arguments)])


def test_a_saved_photo_stays_as_it_was(command, tmp_path, capsys):
    (tmp_path / "photo.png").write_bytes(encoded(noise(96, 64), "PNG"))
    saved = tmp_path / "saved"
    assert command(tmp_path / "photo.png", "--save-dir", saved) == 0
    before = listing(saved)
    capsys.readouterr()
    with full_disk(1_000):
        assert command(tmp_path / "photo.png", "--save-dir", saved) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("photo.v2.jpeg: File too large")
    assert listing(saved) == before


@pytest.fixture(params=["Python", "PyTorch", "OpenCV"])
def no_memory(request: pytest.FixtureRequest) -> Exception:
    """What each library raises when the system gives no more memory; the latter two really try."""
    try:
        if request.param == "Python":
            raise MemoryError
        if request.param == "PyTorch":
            torch.empty(2**50)
        cv2.resize(np.zeros((4, 4, 3)), (2**20, 2**19))
    except Exception as error:
        return error
    raise AssertionError("There was memory.")


@pytest.fixture
def hungry(monkeypatch: pytest.MonkeyPatch, no_memory: Exception) -> None:
    """Passes run out of memory for photos wider than 90 pixels."""

    def prepare_or_fail(photo: Photo, resize: Resize, input_size: int) -> Prepared:
        if photo.width > 90:
            raise no_memory
        return prepare(photo, resize, input_size)

    monkeypatch.setattr("featherface.detection.detector.prepare", prepare_or_fail)


@pytest.mark.usefixtures("hungry")
def test_want_of_memory_is_a_sentence_and_the_next_is_served(seeded):
    service = ModelService(seeded, queue=NetworkQueue(workers=1, max_waiting=0))
    narrow = decode_photo(noise(64, 96))
    for _ in range(3):
        with pytest.raises(ImageError, match="memory") as raised:
            service.detect(photo(), "v2", SETTINGS)
        assert is_sentence(str(raised.value))
        assert len(service.detect(narrow, "v2", SETTINGS).detections) > 0


def test_any_other_error_is_no_want_of_memory(seeded, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("featherface.detection.detector.prepare", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        ModelService(seeded).detect(photo(), "v2", SETTINGS)


@pytest.mark.usefixtures("hungry")
def test_a_photo_without_memory_does_not_stop_the_others(command, tmp_path, capsys):
    for name, size in (("a.png", (96, 64)), ("b.png", (64, 96))):
        (tmp_path / name).write_bytes(encoded(noise(*size), "PNG"))
    assert command(tmp_path / "a.png", tmp_path / "b.png", "--json") == 2
    out, err = capsys.readouterr()
    first, second = json.loads(out)["photos"]
    assert is_sentence(first["error"])
    assert "v2" in second["models"]
    assert err.count("\n") == 1


def test_decoding_without_memory_is_a_sentence(monkeypatch):
    def fail(*_: object) -> None:
        raise MemoryError

    data = encoded(noise(8, 8), "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(ImageError, match="needs more memory than is free") as raised:
        decode_photo(data)
    assert is_sentence(str(raised.value))


def test_a_visitor_who_goes_in_mid_benchmark_holds_nobody_up(tmp_path, monkeypatch):
    """The real benchmark of the real networks; only the clock is ours."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(benchmarks, "time", SimpleNamespace(monotonic=lambda: clock.now))
    measure, under_way, gone = benchmarks.benchmark, Event(), Event()

    def watched(*arguments: object) -> Iterator[Progress]:
        for progress in measure(*arguments):
            yield progress
            under_way.set()
            assert gone.wait(PATIENCE)

    monkeypatch.setattr(benchmarks, "benchmark", watched)
    queue = BenchmarkQueue(lambda: load_networks(tmp_path)[0])
    point = LatencySettings(64, 64, 1, 1, 500, 0)
    left = queue.submit(BenchmarkRequest((point,)))
    assert under_way.wait(PATIENCE)
    waits = queue.submit(BenchmarkRequest((dataclasses.replace(point, runs=5),)))
    clock.now += 3600  # nobody has watched the first since
    waits.watch()
    gone.set()
    assert queue.wait(PATIENCE)
    assert (left.state, waits.state) == ("stopped", "finished")
    assert queue.jobs() == ()
    assert [result.complete for _, result in queue.results()][-1]
    again = queue.submit(BenchmarkRequest((dataclasses.replace(point, runs=6),)))
    assert queue.wait(PATIENCE)
    assert again.state == "finished"
