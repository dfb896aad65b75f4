from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featherface.checkpoints.detector_files import detector_model, inspect_detector
from featherface.engines.choice import default_engine
from featherface.engines.protocol import EngineInfo, Precision
from featherface.engines.pytorch_engine import PyTorchEngine
from featherface.models import MODELS
from featherface.profiling import latency
from featherface.profiling.latency import (
    STAGES,
    BenchmarkError,
    BenchmarkPhoto,
    LatencyResult,
    LatencySettings,
    TimedPhoto,
    benchmark,
    from_record,
    noise,
    speed_up,
    summary,
    variations,
)
from featherface.profiling.layers import InputSizeError
from featherface.profiling.machine import this_machine
from tests.detector_models import centerface_model, yunet_model

SMALL = LatencySettings(height=64, width=64, runs=4, warmup=1)


@pytest.fixture(scope="module")
def networks():
    return {key: entry.builder().eval() for key, entry in MODELS.items()}


def result_of(times: dict[str, list[float]], cpu_share: float = 1.0) -> LatencyResult:
    milliseconds = {key: {"network": tuple(values)} for key, values in times.items()}
    return LatencyResult(SMALL, this_machine(), "2026-01-01T00:00:00+00:00", milliseconds, cpu_share, True)


def test_every_round_reports_and_runs_each_model_once(networks):
    before = torch.get_num_threads()
    steps = list(benchmark(networks, variations(SMALL, input_sizes=(32, 64))))

    assert [step.done for step in steps] == list(range(1, 11))
    assert steps[-1].remaining_seconds == 0
    assert [result.complete for result in steps[-1].results] == [True, True]
    assert all(len(result.times_per_image(key)) == 4 for result in steps[-1].results for key in MODELS)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("photo", [None, b"file"])
def test_each_point_runs_in_its_engine(networks, monkeypatch, photo):
    loads, runs = [], []

    class Recorder:
        info = EngineInfo("any", "Any", "1.2.3", Precision.FLOAT32, 1)

        def __init__(self, *loaded):
            self.loaded = loaded
            self.engine = PyTorchEngine(loaded[0])

        def run(self, images):
            runs.append((*self.loaded, images.shape))
            return self.engine.run(images)

    def load(network, key, threads, precision):
        loads.append((network, key, threads, precision))
        return Recorder(network, key, threads)

    monkeypatch.setattr(latency, "load_engine", load)
    if photo is not None:
        file = io.BytesIO()
        Image.new("RGB", (128, 128), "teal").save(file, "PNG")
        photo = BenchmarkPhoto("teal.png", file.getvalue())
    base = replace(SMALL, height=128, width=128, threads=2)
    points = variations(base, input_sizes=(128, 160), engines=("pytorch", "openvino"))
    *_, last = benchmark(networks, points, photo)

    assert [result.engine_version for result in last.results] == ["1.2.3"] * 4
    assert [point.engine for point in points] == [default_engine()] * 2 + ["pytorch", "openvino"]
    # loaded once per engine; the default engine is not named, so that any network runs
    keys = [None, "pytorch", "openvino"]
    assert loads == [(network, key, 2, Precision.FLOAT32) for key in keys for network in networks.values()]
    for network in networks.values():
        ran = [(key, shape[1:]) for loaded, key, _, shape in runs if loaded is network]
        sizes = [(None, 128), (None, 160), ("pytorch", 128), ("openvino", 128)]
        assert ran == [(key, (input_size, input_size, 3)) for key, input_size in sizes for _ in range(5)]


def test_a_stopped_benchmark_keeps_what_it_has(networks):
    rounds = benchmark(networks, [SMALL])
    for _ in range(3):
        step = next(rounds)
    rounds.close()

    (result,) = step.results
    assert not result.complete
    assert len(result.times_per_image("v1")) == len(result.times_per_image("v2")) == 2


def test_a_photo_is_timed_stage_by_stage(networks):
    file = io.BytesIO()
    Image.new("RGB", (80, 60), "teal").save(file, "PNG")
    photo = BenchmarkPhoto("teal.png", file.getvalue())
    *_, last = benchmark(networks, [replace(SMALL, height=128, width=128)], photo)

    digest = hashlib.sha256(photo.data).hexdigest()
    assert last.results[0].photo == TimedPhoto("teal.png", digest, 80, 60, 128, 96)
    assert from_record(json.loads(json.dumps(last.results[0].as_record()))) == last.results[0]
    assert tuple(last.results[0].milliseconds["v2"]) == STAGES
    assert tuple(summary(last.results[0], "v1").stages) == STAGES


def test_results_survive_json(networks):
    *_, last = benchmark(networks, [SMALL])
    result = last.results[0]

    record = json.loads(json.dumps(result.as_record()))
    assert from_record(record) == result
    assert record["rounds"] == SMALL.runs


def test_speed_up_pairs_the_rounds():
    fast = np.linspace(10, 40, 20)  # a machine getting slower hits both models alike
    found = speed_up(result_of({"v1": list(2 * fast), "v2": list(fast)}), "v1", "v2")

    assert (found.low, found.ratio, found.high) == (2, 2, 2)


def test_the_interval_of_the_speed_up_widens_with_noise():
    random = np.random.default_rng(1)
    slow, fast = random.normal(20, 2, 50), random.normal(10, 1, 50)
    found = speed_up(result_of({"v1": list(slow), "v2": list(fast)}), "v1", "v2")

    assert 1.8 < found.low < 2 < found.high < 2.2


def test_summary_of_known_times():
    found = summary(result_of({"v1": list(range(1, 102))}), "v1")

    assert (found.median, found.p95, found.p99, found.fastest) == (51, 96, 100, 1)
    assert found.frames_per_second == pytest.approx(1000 / 51)


@pytest.mark.parametrize(
    ("times", "cpu_share", "signs"),
    [
        ([10.0, 10.1] * 20, 1.0, []),
        ([10.0, 14.0] * 20, 1.0, ["Spread is 33% (limit 10%): round times varied widely."]),
        (
            [10.0] * 20 + [10.8] * 20,
            1.0,
            ["Drift is 8% (limit 5%): the median changed between the halves of the run."],
        ),
        ([10.0, 10.1] * 20, 0.7, ["CPU starvation is 30% (limit 10%): other programs used the cores."]),
        ([10.0, 10.1] * 20, 1.9, []),  # two threads at work
    ],
)
def test_noise_is_named(times, cpu_share, signs):
    judged = noise(result_of({"v1": times, "v2": [5.0] * len(times)}, cpu_share))

    assert list(judged.reasons) == signs
    assert judged.noisy == bool(signs)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch": 0}, BenchmarkError, "The batch size must be at least 1, not 0"),
        ({"runs": 1}, BenchmarkError, "The number of rounds must be at least 2, not 1"),
        ({"threads": 0}, BenchmarkError, "The number of threads must be at least 1, not 0"),
        ({"width": 31}, InputSizeError, "width and height must each be at least 32"),
    ],
)
def test_impossible_settings_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        LatencySettings(**change)


def test_a_photo_is_not_batched(networks):
    with pytest.raises(BenchmarkError, match="set the batch size to 1"):
        next(benchmark(networks, [LatencySettings(batch=2)], BenchmarkPhoto("photo.jpg", b"photo")))


@pytest.mark.parametrize(("batch", "whole"), [(1, False), (2, False), (1, True)])
def test_other_detectors_are_timed_beside_a_model(networks, batch, whole):
    models = {"yunet": yunet_model(), "centerface": centerface_model()}
    detectors = {
        key: detector_model(inspect_detector(Path("own.onnx"), data)) for key, data in models.items()
    }
    file = io.BytesIO()
    Image.new("RGB", (80, 60), "teal").save(file, "PNG")
    point = replace(SMALL, height=128, width=128, batch=batch)
    chosen = {"v2": networks["v2"]}
    *_, last = benchmark(
        chosen, [point], BenchmarkPhoto("grey.png", file.getvalue()) if whole else None, detectors
    )

    (result,) = last.results
    assert list(result.milliseconds) == ["v2", "yunet", "centerface"]
    assert all(tuple(stages) == result.stages for stages in result.milliseconds.values())
    assert speed_up(result, "v2", "yunet").ratio > 0


def test_other_detectors_are_timed_without_a_model():
    detectors = {"yunet": detector_model(inspect_detector(Path("own.onnx"), yunet_model()))}
    *_, last = benchmark({}, [SMALL], None, detectors)

    assert last.results[0].complete
    assert last.results[0].engine_version == ""


def test_a_summary_is_per_image_whatever_the_batch_size():
    one = result_of({"v1": [10, 20, 30, 40, 50]})
    batches = result_of({"v1": [80, 160, 240, 320, 400]})

    assert summary(replace(batches, settings=replace(SMALL, batch=8)), "v1") == summary(one, "v1")
