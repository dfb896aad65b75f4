"""The speed page over a queue that measures nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.engines.choice import ENGINES, default_engine, installed_engines
from featherface.profiling.latency import (
    STAGES,
    BenchmarkPhoto,
    LatencyResult,
    LatencySettings,
    TimedPhoto,
)
from featherface.profiling.machine import Machine
from featherface.reporting.machine_comparison import MachineResult
from featherface.serving.benchmark_queue import (
    BenchmarkBusyError,
    BenchmarkJob,
    BenchmarkQueue,
    BenchmarkRequest,
)

ROOT = Path(__file__).resolve().parents[2]
MACHINE = Machine("Processor", 2, 1, 2**33, "System", "3.11", "2.13")
BAR = BenchmarkPhoto("bar.jpg", b"photo")
Open = Callable[..., AppTest]


def timing(
    settings: LatencySettings, *, complete: bool = True, photo: BenchmarkPhoto | None = None
) -> tuple[BenchmarkRequest, LatencyResult]:
    """V1 takes 60 ms and V2 20 ms in every round; of a photo, a third of it before the network."""
    rounds = settings.runs if complete else 2
    stages = STAGES if photo else ("network",)
    times = {
        key: {stage: (whole / len(stages),) * rounds for stage in stages}
        for key, whole in (("v1", 60), ("v2", 20))
    }
    timed = photo and TimedPhoto(photo.name, sha256(photo.data).hexdigest(), 800, 534, 640, 427)
    when = "2026-01-02T03:04:05+00:00"
    result = LatencyResult(settings, MACHINE, when, times, 1.0, complete, photo=timed)
    return BenchmarkRequest((settings,), photo), result


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Open:
    """A function that opens the page with query parameters, over a queue that has measured `kept`."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(tmp_path))
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()

    def opened(*kept: tuple[BenchmarkRequest, LatencyResult], **query: str) -> AppTest:
        monkeypatch.setattr(BenchmarkQueue, "results", lambda _: kept)
        page = AppTest.from_file(str(ROOT / "pages" / "speed.py"), default_timeout=60)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return opened


def chart_names(page: AppTest) -> list[str]:
    """The charts of this server's results."""
    return [chart.key for chart in page.get("plotly_chart") if chart.key != "machines"]


def history(page: AppTest) -> pd.DataFrame:
    return next(table.value for table in page.dataframe if "Timed" in table.value)


def test_machines_stand_side_by_side_with_their_cards(open_page, monkeypatch):
    _, here = timing(LatencySettings(runs=10))
    board = replace(here, machine=replace(MACHINE, processor="Raspberry Pi 5", cores=4))
    monkeypatch.setattr(
        "featherface.dashboard.components.latency_machines.uploaded_machines",
        lambda: [MachineResult("pi.json", board)],
    )
    page = open_page((BenchmarkRequest((here.settings,)), here))

    assert not page.exception
    table = next(
        table.value for table in page.dataframe if "Machine" in table.value and "Source" in table.value
    )
    assert list(table["Machine"])[:2] == ["Processor", "Raspberry Pi 5"]
    assert list(table["V2 speed-up"])[:2] == [3.0, 3.0]
    cards = [block.value for block in page.markdown]
    assert {"**Processor**", "**Raspberry Pi 5**"} <= set(cards)


def test_nothing_is_measured_unasked(open_page):
    page = open_page()

    assert not page.exception
    assert page.info[0].value == "No benchmark has run on this machine yet."


def test_a_result_shows_medians_and_how_sure_the_speed_up_is(open_page):
    page = open_page(timing(LatencySettings(runs=10)))

    assert not page.exception
    assert [card.value for card in page.metric] == ["60.0 ms", "20.0 ms", "3.00×"]
    assert page.metric[2].delta == "95% confidence interval 3.00–3.00"
    assert not page.warning


def test_latency_is_per_image_at_any_batch_size(open_page):
    page = open_page(timing(LatencySettings(runs=10, batch=8)))

    assert [card.value for card in page.metric] == ["7.5 ms", "2.5 ms", "3.00×"]
    assert page.metric[0].delta == "133.3 images/s"
    tables = [table.value for table in page.dataframe if "V1 median (ms)" in table.value]
    assert [table["V1 median (ms)"].iloc[0] for table in tables] == [7.5, 7.5]  # all results, machines
    stages = next(table.value for table in page.dataframe if "Throughput (images/s)" in table.value)
    assert stages["p99 (ms)"].tolist() == [7.5, 2.5]
    alts = {chart.key: chart.proto.alt for chart in page.get("plotly_chart")}
    assert "V1 7.5 ms per image, V2 2.5 ms per image" in alts["machines"]
    assert "FeatherFace V1 7.5 ms" in alts["latency_histogram"]


def test_a_stopped_run_keeps_its_rounds_and_says_so(open_page):
    page = open_page(timing(LatencySettings(runs=10), complete=False))

    assert "Stopped after 2 of 10 rounds" in page.info[0].value
    assert page.metric[0].value == "60.0 ms"


def test_a_noisy_run_says_so(open_page):
    request, result = timing(LatencySettings(runs=10))
    starved = LatencyResult(**{**vars(result), "cpu_share": 0.5})
    page = open_page((request, starved))

    assert "noisy" in page.warning[0].value


def test_an_interval_about_one_says_that_nothing_is_decided(open_page):
    request, result = timing(LatencySettings(runs=10))
    equal = LatencyResult(
        **{**vars(result), "milliseconds": {key: {"network": (20.0,) * 10} for key in ("v1", "v2")}}
    )
    page = open_page((request, equal))

    assert "the confidence interval includes 1" in page.info[0].value


def test_stages_are_split_where_they_were_timed(open_page):
    page = open_page(timing(LatencySettings(runs=10), photo=BAR))

    assert chart_names(page) == ["latency_histogram", "latency_stages"]


def test_a_result_end_to_end_says_which_photo_was_timed_and_is_compared_by_it(open_page, monkeypatch):
    beach = BenchmarkPhoto("beach.jpg", b"another photo")
    page = open_page(*(timing(LatencySettings(runs=10), photo=photo) for photo in (beach, BAR)))

    assert not page.exception
    assert "end to end, 640 × 427 from bar.jpg (800 × 534), batch" in page.selectbox(key="result").value
    settings = history(page)["Setting"].tolist()
    assert [text.split(" (")[0] for text in settings] == [
        "640 × 427 from bar.jpg",
        "640 × 427 from beach.jpg",
    ]
    page.toggle(key="same_setting").set_value(True).run()
    assert len(history(page)) == 1


def test_machines_compare_where_the_same_photo_was_timed(open_page, monkeypatch):
    photos = (BAR, BenchmarkPhoto("beach.jpg", b"another photo"), replace(BAR, name="renamed.jpg"))
    results = [timing(LatencySettings(runs=10), photo=photo)[1] for photo in photos]
    results.append(replace(results[0], photo=None))  # of a file from before photos were recorded
    results.append(timing(LatencySettings(640, 480, runs=10), photo=BAR)[1])  # of equal longer side
    uploaded = [MachineResult(source, one) for source, one in zip("abcde", results, strict=True)]
    monkeypatch.setattr(
        "featherface.dashboard.components.latency_machines.uploaded_machines", lambda: uploaded
    )
    page = open_page()

    assert not page.exception
    choice = page.selectbox(key="machine_setting")
    assert [text.split(" (")[0] for text in choice.options[:2]] == [
        "640 × 427 from bar.jpg",
        "640 × 427 from beach.jpg",
    ]
    assert choice.options[2].startswith("longer side 640, batch size 1, 1 thread, end to end, unknown photo")
    machines = next(table.value for table in page.dataframe if "Source" in table.value)
    assert machines["Source"].tolist() == ["a", "c", "e"]


def at(second: int, **settings: int) -> tuple[BenchmarkRequest, LatencyResult]:
    """A timing that started at a second of one and the same minute."""
    request, result = timing(LatencySettings(runs=10, **settings))
    return request, replace(result, when=f"2026-01-02T03:04:{second:02}+00:00")


def test_the_newest_result_is_shown_until_somebody_chooses(open_page, monkeypatch):
    older, newer, newest = at(1), at(5), at(9)
    page = open_page(older, newer)
    assert page.selectbox(key="result").value.endswith("started 03:04:05")

    monkeypatch.setattr(BenchmarkQueue, "results", lambda _: (older, newer, newest))
    page.run()
    assert page.selectbox(key="result").value.endswith("started 03:04:09")

    page.selectbox(key="result").select_index(1).run()
    monkeypatch.setattr(BenchmarkQueue, "results", lambda _: (older, newer, newest, at(12)))
    page.run()
    assert page.selectbox(key="result").value.endswith("started 03:04:05")

    monkeypatch.setattr(BenchmarkQueue, "results", lambda _: (newest, at(12)))  # the chosen one was dropped
    page.run()
    assert page.selectbox(key="result").value.endswith("started 03:04:12")
    assert not page.exception


def test_of_one_request_the_result_of_the_default_engine_is_shown(open_page):
    """The Overview's benchmark measures it first, then the others for the claims audit."""
    points = tuple(LatencySettings(runs=10, engine=engine) for engine in installed_engines())
    request = BenchmarkRequest(points)

    page = open_page(*((request, timing(point)[1]) for point in points))

    assert ENGINES[default_engine()].name in page.selectbox(key="result").value


def test_the_chosen_result_outlasts_another_page(monkeypatch, tmp_path):
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(tmp_path))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("gc.freeze", lambda: None)  # right for a server, not for a process full of tests
    monkeypatch.setattr(BenchmarkQueue, "submit", lambda *_: None)
    monkeypatch.setattr(BenchmarkQueue, "results", lambda _: (at(1), at(5)))
    st.cache_resource.clear()
    app = AppTest.from_file(str(ROOT / "featherface/dashboard/frame.py"), default_timeout=240).run()
    app.switch_page("../../pages/speed.py").run()
    app.selectbox(key="result").select_index(1).run()

    app.switch_page("../../pages/flops.py").run()
    app.switch_page("../../pages/speed.py").run()

    assert not app.exception
    assert app.selectbox(key="result").value.endswith("started 03:04:01")
    assert "result" not in app.query_params


def test_points_that_differ_in_size_alone_make_a_sweep(open_page):
    settings = (  # oldest first
        LatencySettings(320, 320),
        LatencySettings(batch=2),
        LatencySettings(engine="openvino"),
        LatencySettings(),
    )
    page = open_page(*(timing(point) for point in settings))

    assert not page.exception
    assert chart_names(page) == [
        "latency_histogram",
        *(f"latency_by_{axis}" for axis in ("input_size", "batch_size", "engine")),
    ]
    (alt,) = (chart.proto.alt for chart in page.get("plotly_chart") if "by batch size" in chart.proto.alt)
    assert alt.endswith(
        "1: V1 60.0 ms per image, V2 20.0 ms per image; 2: V1 30.0 ms per image, V2 10.0 ms per image"
    )
    assert len(history(page)) == 4
    page.toggle(key="same_setting").set_value(True).run()
    assert len(history(page)) == 1


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[BenchmarkRequest]:
    """The benchmarks that the page asks for; each has ended by then."""
    requests: list[BenchmarkRequest] = []

    def submit(_queue: BenchmarkQueue, request: BenchmarkRequest) -> BenchmarkJob:
        requests.append(request)
        job = BenchmarkJob(request)
        job.state = "finished"
        return job

    monkeypatch.setattr(BenchmarkQueue, "submit", submit)
    return requests


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ({}, [(640, 1, 1)]),
        ({"bench_input_size": "320", "runs": "20"}, [(320, 1, 1)]),
        ({"vary": "Batch size"}, [(640, 1, 1), (640, 2, 1), (640, 4, 1), (640, 8, 1)]),
    ],
)
def test_start_asks_for_what_is_set(open_page, submitted, query, points):
    page = open_page(**query)
    page.button[0].click().run()

    assert not page.exception
    (request,) = submitted
    assert [(point.height, point.batch, point.threads) for point in request.points] == points
    assert {point.engine for point in request.points} == {default_engine()}


@pytest.mark.parametrize(
    ("query", "engines"),
    [({"engine": "PyTorch"}, ("pytorch",)), ({"vary": "Engine"}, installed_engines())],
)
def test_the_engine_is_a_choice_and_a_sweep(open_page, submitted, query, engines):
    open_page(**query).button[0].click().run()

    (request,) = submitted
    assert tuple(point.engine for point in request.points) == engines


def test_photos_are_timed_one_at_a_time(open_page):
    page = open_page(timed="End to end", batch="2")

    assert "set the batch size to 1" in page.error[0].value


def test_a_full_queue_is_a_sentence(open_page, monkeypatch):
    def submit(*_: object) -> BenchmarkJob:
        raise BenchmarkBusyError("8 benchmarks are already queued; try again in a few minutes.")

    monkeypatch.setattr(BenchmarkQueue, "submit", submit)
    page = open_page()
    page.button[0].click().run()

    assert "try again in a few minutes" in page.error[0].value


def test_a_running_benchmark_is_seen_by_every_session(open_page, monkeypatch):
    jobs = tuple(BenchmarkJob(BenchmarkRequest((LatencySettings(runs=runs),))) for runs in (5, 6))
    monkeypatch.setattr(BenchmarkQueue, "jobs", lambda _: jobs)
    page = open_page()

    assert not page.exception
    assert "Another benchmark is number 1 in the queue" in page.caption[1].value


@pytest.fixture
def polled_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """A function that has the queue shown twice in a run of the page, as by its timer; between, `change`."""

    def poll(change: Callable[[], None]) -> None:
        def fragment(show: Callable[[], None], run_every: float | None) -> Callable[[], None]:
            def shown() -> None:
                show()
                if run_every is not None:
                    change()
                    show()

            return shown

        monkeypatch.setattr("featherface.dashboard.components.benchmark_panel.st.fragment", fragment)

    return poll


def test_an_own_benchmark_that_fails_is_told_though_others_wait(open_page, monkeypatch, polled_after):
    own, other = (BenchmarkJob(BenchmarkRequest((LatencySettings(runs=runs),))) for runs in (5, 6))
    jobs = [own, other]

    def fail() -> None:
        own.state = "failed"
        jobs[:] = [other]

    monkeypatch.setattr(BenchmarkQueue, "jobs", lambda _: tuple(jobs))
    monkeypatch.setattr(BenchmarkQueue, "submit", lambda *_: own)
    page = open_page()
    polled_after(fail)
    page.button[0].click().run()

    assert not page.exception
    assert "benchmark failed" in page.error[0].value
    assert not page.button[0].disabled


def test_a_new_result_is_shown_though_the_queue_keeps_no_more_than_before(
    open_page, monkeypatch, polled_after
):
    kept = [at(1)]
    job = BenchmarkJob(BenchmarkRequest((LatencySettings(runs=5),)))
    newer = at(9)
    page = open_page()
    monkeypatch.setattr(BenchmarkQueue, "jobs", lambda _: (job,))
    monkeypatch.setattr(BenchmarkQueue, "results", lambda _: tuple(kept))
    polled_after(lambda: kept.__setitem__(0, newer))
    page.run()

    assert not page.exception
    assert page.selectbox(key="result").value.endswith("started 03:04:09")
