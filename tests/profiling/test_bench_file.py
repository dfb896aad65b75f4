"""Files of `featherface bench --out`: what is read, and one sentence on everything else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from featherface.engines.protocol import Precision
from featherface.profiling.bench_file import MAX_BENCH_BYTES, BenchFileError, load_bench, parse_bench
from featherface.profiling.latency import LatencyResult, LatencySettings, TimedPhoto
from featherface.profiling.machine import this_machine

WHEN = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def result() -> LatencyResult:
    settings = LatencySettings(64, 64, runs=2, engine="openvino", precision=Precision.INT8)
    times = {key: {"network": (1.5, 2.0)} for key in ("v1", "v2")}
    return LatencyResult(settings, this_machine(), WHEN, times, 0.9, True, "2026.4.1")


@pytest.fixture
def document(result: LatencyResult) -> dict[str, Any]:
    return json.loads(json.dumps({"points": [result.as_record()]}))


def test_what_was_written_is_read(tmp_path, document, result):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(document))

    assert load_bench(path) == [result]


def test_a_model_that_is_not_registered_is_left_out(document):
    times = document["points"][0]["milliseconds"]
    times["v9"] = times["v1"]

    assert set(parse_bench(json.dumps(document).encode(), "x")[0].milliseconds) == {"v1", "v2"}


def test_a_file_from_before_precisions_is_float32(document):
    del document["points"][0]["settings"]["precision"]

    (found,) = parse_bench(json.dumps(document).encode(), "x")
    assert found.settings.precision is Precision.FLOAT32


def test_the_photo_that_was_timed_is_read_and_an_older_file_has_none(document, result):
    photo = TimedPhoto("bar.jpg", "0" * 64, 800, 534, 640, 427)
    document["points"][0] = json.loads(json.dumps(replace(result, photo=photo).as_record()))
    assert parse_bench(json.dumps(document).encode(), "x")[0].photo == photo
    del document["points"][0]["photo"]
    assert parse_bench(json.dumps(document).encode(), "x")[0].photo is None


def point(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda document: change(document["points"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda document: document.pop("points"), "'points' is missing", id="no points"),
        pytest.param(lambda document: document.update(points=[]), "list of 1 to", id="none"),
        pytest.param(lambda document: document.update(points=[1]), "not a file of", id="a number"),
        pytest.param(point(lambda one: one.pop("machine")), "'machine' is missing", id="no machine"),
        pytest.param(point(lambda one: one["machine"].update(cores="two")), "'cores'", id="cores"),
        pytest.param(point(lambda one: one["machine"].update(processor="x" * 999)), "'processor'", id="long"),
        pytest.param(point(lambda one: one["machine"].update(system="a\nb")), "'system'", id="two lines"),
        pytest.param(point(lambda one: one["machine"].update(host="x")), "host", id="unknown field"),
        pytest.param(point(lambda one: one.update(when="today")), "today", id="date"),
        pytest.param(point(lambda one: one.update(cpu_share=float("nan"))), "'cpu_share'", id="not a number"),
        pytest.param(point(lambda one: one.update(complete=1)), "'complete'", id="no truth value"),
        pytest.param(point(lambda one: one["settings"].update(engine="caffe")), "caffe", id="engine"),
        pytest.param(point(lambda one: one["settings"].update(precision="int4")), "int4", id="precision"),
        pytest.param(point(lambda one: one["settings"].update(width=1)), "at least 32", id="input size"),
        pytest.param(point(lambda one: one["settings"].update(batch=-1)), "'batch'", id="batch"),
        pytest.param(point(lambda one: one.update(photo="bar.jpg")), "not a file of", id="no photo"),
        pytest.param(
            point(
                lambda one: one.update(
                    photo=dict.fromkeys(("name", "sha256"), "a\nb")
                    | dict.fromkeys(("width", "height", "input_width", "input_height"), 1)
                )
            ),
            "'name'",
            id="photo of two lines",
        ),
        pytest.param(point(lambda one: one.update(milliseconds={})), "times of none", id="no model"),
        pytest.param(
            point(lambda one: one["milliseconds"]["v1"].update(network=[1.0])), "2 to", id="one round"
        ),
        pytest.param(
            point(lambda one: one["milliseconds"]["v1"].update(network=[1, -2])), "-2", id="negative"
        ),
        pytest.param(
            point(lambda one: one["milliseconds"]["v1"].update(network=[0, 5])),
            "takes 0 ms",
            id="a round of 0 ms",
        ),
        pytest.param(
            point(lambda one: [stages.update(decode=[1, 2, 3]) for stages in one["milliseconds"].values()]),
            "same",
            id="a stage with more rounds",
        ),
        pytest.param(
            point(lambda one: one["milliseconds"]["v1"].update(network=[1, 2, 3])), "same", id="more rounds"
        ),
        pytest.param(point(lambda one: one["milliseconds"]["v1"].clear()), "same stages", id="no stage"),
    ],
)
def test_anything_else_is_one_sentence(document, change, message):
    changed = copy.deepcopy(document)
    change(changed)
    with pytest.raises(BenchFileError, match=message) as caught:
        parse_bench(json.dumps(changed).encode(), "result.json")
    assert str(caught.value).lower().startswith("result.json is not a file of")


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b"[" * 10**5])
def test_no_bench_file_at_all(data):
    with pytest.raises(BenchFileError):
        parse_bench(data, "result.json")


def test_a_large_file_is_not_read():
    with pytest.raises(BenchFileError, match="the limit is 5 MB"):
        parse_bench(b" " * (MAX_BENCH_BYTES + 1), "result.json")
