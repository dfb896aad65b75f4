"""The overview with and without measurements, and what it hands out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.dashboard.state.study_measurements import (
    QUICK_BENCHMARK,
    curves_of_shipped_weights,
    measurements,
)
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import Machine
from featherface.reporting.evaluation_runs import report_charts
from featherface.reporting.html_report import AnnotatedPhoto, html_report
from featherface.serving.benchmark_queue import BenchmarkJob, BenchmarkQueue, BenchmarkRequest
from featherface.study.summary import record

ROOT = Path(__file__).resolve().parents[2]
MACHINE = Machine("Processor", 2, 1, 2**33, "System", "3.11", "2.13")
Open = Callable[..., AppTest]


def timing(settings: LatencySettings) -> LatencyResult:
    """V1 takes 60 ms and V2 20 ms in every round."""
    times = {key: {"network": (whole,) * settings.runs} for key, whole in (("v1", 60.0), ("v2", 20.0))}
    return LatencyResult(settings, MACHINE, "2026-01-02T03:04:05+00:00", times, 1.0, complete=True)


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[BenchmarkRequest]:
    """The benchmarks that were asked for; none runs."""
    requests: list[BenchmarkRequest] = []
    monkeypatch.setattr(BenchmarkQueue, "submit", lambda _, request: requests.append(request))
    return requests


@pytest.fixture
def open_overview(
    monkeypatch: pytest.MonkeyPatch, submitted: list[BenchmarkRequest], found_faces: None
) -> Open:
    """A function that opens the page over a folder of weights, timed or not."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("gc.freeze", lambda: None)  # right for a server, not for a process full of tests

    def opened(folder: Path, *, timed: bool = False, **query: str) -> AppTest:
        monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(folder))
        known = (lambda _, settings: timing(settings)) if timed else (lambda *_: None)
        monkeypatch.setattr(BenchmarkQueue, "latest", known)
        st.cache_resource.clear()
        st.cache_data.clear()
        page = AppTest.from_file(str(ROOT / "featherface/dashboard/frame.py"), default_timeout=240)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return opened


def values(page: AppTest) -> dict[str, str]:
    return {card.label: card.value for card in page.metric}


def columns(page: AppTest, title: str) -> str:
    """All that stands in the column of findings called `title`."""
    column = next(column for column in page.columns if [head.value for head in column.subheader] == [title])
    return " ".join(block.value for block in (*column.markdown, *column.caption))


def test_without_weights_only_counts_are_known(open_overview, submitted, tmp_path):
    page = open_overview(tmp_path)

    assert not page.exception
    assert values(page) == {
        "Parameters": "592k → 256k",
        "Multiply-accumulates": "1.303 → 0.462 GMACs",
        "Latency": "not measured yet",
        "Weights size": "2.41 → 1.05 MB",
        "Average precision": "not measured yet",
    }
    assert not page.get("plotly_chart")  # two axes are no radar
    assert len([info for info in page.info if "no trained weights" in info.value]) == 2
    assert submitted == [QUICK_BENCHMARK]
    assert columns(page, "What you lose with V2") == "Nothing that was measured."
    assert "**Latency on this machine**. :small[:gray[No benchmark" in columns(page, "How certain is that?")


def test_speed_is_measured_unasked_only_once(open_overview, submitted, tmp_path, monkeypatch):
    page = open_overview(tmp_path)
    jobs = (BenchmarkJob(BenchmarkRequest((LatencySettings(320, 320),))), BenchmarkJob(QUICK_BENCHMARK))
    monkeypatch.setattr(BenchmarkQueue, "jobs", lambda _: jobs)
    page.run()

    assert submitted == [QUICK_BENCHMARK]
    queued = "The latency benchmark is queued behind 1 other; one runs at a time."
    assert queued in [caption.value for caption in page.caption]


def test_gains_and_losses_of_measured_models(open_overview, submitted, measured_weights):
    page = open_overview(measured_weights, timed=True)

    assert not page.exception
    assert values(page)["Latency"] == "60.0 → 20.0 ms"
    assert values(page)["Average precision"] == "0.900 → 0.800"
    assert "3\\.00 times faster" in columns(page, "What you gain with V2")
    assert "Average precision 0\\.100 lower" in columns(page, "What you lose with V2")
    assert "interval of the mean difference \\-0\\.150" in columns(page, "How certain is that?")
    cards = " ".join(caption.value for caption in page.caption)
    assert "95% CI \\-0\\.150 to \\-0\\.050" in cards
    (radar,) = (json.loads(chart.proto.spec)["data"] for chart in page.get("plotly_chart"))
    assert [len(trace["r"]) for trace in radar] == [6, 6]  # five axes, the first one again to close the line
    assert submitted == []


def test_results_of_other_weights_are_not_shown(open_overview, measured_weights):
    for file in (measured_weights / "evaluation").glob("*.json"):
        document = json.loads(file.read_text())
        document["curves"][0]["weights_sha256"] = "of older weights"
        file.write_text(json.dumps(document))

    assert values(open_overview(measured_weights))["Average precision"] == "not measured yet"


def test_a_link_shows_the_claims_of_one_verdict(open_overview, tmp_path):
    open_overview(tmp_path)
    page = AppTest.from_file(str(ROOT / "pages" / "claims.py"), default_timeout=240)
    page.query_params["verdicts"] = "holds"
    page.run()

    assert not page.exception
    claims = next(table.value for table in page.table if "Claim" in table.value)
    assert len(claims) > 3
    assert all(":green-badge[holds]" in text for text in claims["Claim"])
    assert any("`featherface params`" in text for text in claims["Result"])


def step(page: AppTest) -> str:
    """The number and topic of the step that presenter mode shows."""
    return next(block.value for block in page.markdown if block.value.startswith("Step "))


def test_the_steps_go_forward_and_back_and_the_address_names_them(open_overview, measured_weights):
    page = open_overview(measured_weights, timed=True)
    page.button(key="start_presenting").click().run()
    assert page.query_params["demo"] == "1"
    assert step(page) == "Step 1 of 6: **Size**"
    assert page.button(key="previous_step").disabled
    for topic in ("Speed", "Portraits", "Crowds", "Blur", "Recommendations"):
        page.button(key="next_step").click().run()
        assert not page.exception
        assert topic in step(page)
    assert page.button(key="next_step").disabled
    assert page.title[0].value == "First choice for everyday photos\\: use V1"
    page.button(key="previous_step").click().run()
    assert page.query_params["step"] == "5"
    page.button(key="stop_presenting").click().run()
    assert not page.query_params
    assert page.title[0].value == "FeatherFace V1 vs V2"


@pytest.mark.parametrize(
    ("asked", "topic"),
    [
        ("2", "Speed"),
        ("0", "Size"),
        ("9", "Recommendations"),
        ("²", "Size"),
        ("1" * 5000, "Size"),
        ("", "Size"),
    ],
)
def test_a_link_opens_a_step_and_nonsense_the_nearest_one(open_overview, measured_weights, asked, topic):
    page = open_overview(measured_weights, timed=True, demo="1", step=asked)
    assert not page.exception
    assert topic in step(page)


def test_the_headline_is_the_measurement(open_overview, measured_weights):
    page = open_overview(measured_weights, timed=True, demo="1", step="2")
    assert page.title[0].value.startswith("V2 is 3\\.00 times faster")
    page = open_overview(measured_weights, demo="1", step="2")
    assert page.title[0].value == "Latency has not been measured on this machine yet"
    assert page.code[0].value == "featherface bench"


def test_presenter_mode_without_weights_says_what_is_missing(open_overview, tmp_path):
    page = open_overview(tmp_path, demo="1", step="5")
    assert not page.exception
    assert page.title[0].value == "Blur has not been measured with these weights"
    assert any("weights" in info.value for info in page.info)


def test_the_summary_is_json(open_overview, measured_weights):
    open_overview(measured_weights, timed=True)

    summary = json.loads(json.dumps(record(measurements())))
    assert (summary["v1_parameters"], summary["speed_improvement"]) == (592_371, "3.00x")


def test_the_report_stands_alone(open_overview, measured_weights):
    open_overview(measured_weights, timed=True)
    photo = AnnotatedPhoto("<b>me</b>.jpg", "mine", {"v1": b"one", "v2": b"two"}, {"v1": 1, "v2": 2}, 1)

    report = html_report(measurements(), report_charts(curves_of_shipped_weights()), [photo])

    assert report.count("plotly.js v") == 1
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"'](?!data:)", report)
    assert "&lt;b&gt;me&lt;/b&gt;.jpg" in report
    assert "<b>me</b>" not in report
    assert report.count("data:image/jpeg;base64") == 2
    assert report.count('class="plotly-graph-div"') == 3  # radar, bars, one curve
    assert "Average precision 0.100 lower" in report
