"""A third model is one registry entry: with one more entry every page opens and names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.models import MODELS, model_pairs
from featherface.profiling.complexity import sweep
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import Machine
from featherface.profiling.receptive_field import ReceptiveField
from featherface.profiling.roofline import MachinePeak
from featherface.serving.benchmark_queue import BenchmarkQueue, BenchmarkRequest
from featherface.serving.model_service import DetectionResult, ModelService
from tests.pages.conftest import result
from tests.third_model import THIRD, register_third_model

ROOT = Path(__file__).resolve().parents[2]
MACHINE = Machine("Processor", 2, 1, 2**33, "System", "3.11", "2.13")
FIELDS = tuple(
    ReceptiveField(f"P{level}", stride, 43, 900, False, (2 * stride, 4 * stride))
    for level, stride in ((3, 8), (4, 16), (5, 32))
)
SMALL = {"width": "160", "height": "160"}  # whose costs are stored
PAIR = f"{MODELS['v1'].name} vs {THIRD.name}"
PEAK = MachinePeak(100.0, 10.0, "2026-01-02T03:04:05+00:00", MACHINE)
Open = Callable[..., AppTest]


def timing(size: int) -> tuple[BenchmarkRequest, LatencyResult]:
    """A benchmark in which each further model is faster than the one before."""
    settings = LatencySettings(size, size, runs=5)
    times = {key: {"network": (60.0 / (number + 1),) * 5} for number, key in enumerate(MODELS)}
    measured = LatencyResult(settings, MACHINE, "2026-01-02T03:04:05+00:00", times, 1.0, complete=True)
    return BenchmarkRequest((settings,)), measured


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, measured_weights: Path) -> Open:
    """A function that opens a page, with query parameters, in a dashboard with three models."""
    register_third_model(monkeypatch, measured_weights)
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(measured_weights))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("gc.freeze", lambda: None)  # right for a server, not for a process full of tests

    def candidates(
        _self: ModelService, _photo: object, key: str, *_: object, **__: object
    ) -> DetectionResult:
        found = result("v1")
        return replace(found, weights=replace(found.weights, key=key))

    measured = timing(640)
    monkeypatch.setattr(ModelService, "candidates", candidates)
    monkeypatch.setattr(BenchmarkQueue, "submit", lambda *_: None)
    monkeypatch.setattr(BenchmarkQueue, "results", lambda _: (timing(160), measured))
    monkeypatch.setattr(BenchmarkQueue, "latest", lambda *_: measured[1])
    monkeypatch.setattr("featherface.dashboard.components.roofline_panel.known_peak", lambda _: PEAK)
    monkeypatch.setattr(
        "featherface.dashboard.components.cost_panels.sweep", lambda key: sweep(key, (160, 320))
    )
    monkeypatch.setattr(
        "featherface.dashboard.components.receptive_field_panel.receptive_fields", lambda _: FIELDS
    )
    st.cache_resource.clear()
    st.cache_data.clear()

    def opened(name: str, **query: str) -> AppTest:
        page = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=240)
        page.query_params.update(query)
        return page.run()

    return opened


def texts(page: AppTest) -> str:
    """Everything that a page says in words, tables, charts and options."""
    tables = [str(table.value.to_dict()) for table in (*page.table, *page.dataframe)]
    words = [block.value for block in (*page.markdown, *page.caption, *page.info, *page.subheader)]
    cards = [card.label for card in page.metric]
    charts = [chart.proto.spec for chart in page.get("plotly_chart")]
    photos = [image.caption for shown in page.get("image") for image in shown.proto.imgs]
    options = [option for box in page.selectbox for option in box.options]
    return "\n".join((*tables, *words, *cards, *charts, *photos, *options))


STUDY_PAGES = {"overview", "claims"}  # about the study's two models
PAGES = sorted({file.stem for file in (ROOT / "pages").glob("*.py")} - STUDY_PAGES)
VIEWS = {  # queries, where a page has more than one view or asks which models to compare
    "architecture": (
        {},
        {"architecture": "Layers", **SMALL},
        {"architecture": "Diagram", **SMALL},
        {"architecture": "Anchors and receptive fields"},
    ),
    "flops": (
        SMALL,
        *({"cost": tab, **SMALL} for tab in ("By layer", "By input size", "Roofline", "Counters")),
    ),
    "live": ({"pair": PAIR},),
    "video": ({"pair": PAIR},),
    "robustness": ({"pair": PAIR},),
}


@pytest.mark.parametrize(
    ("name", "query"),
    [
        pytest.param(name, query, id=" ".join((name, *query.values())))
        for name in PAGES
        for query in VIEWS.get(name, ({},))
    ],
)
def test_every_page_names_a_third_model(open_page, name, query):
    page = open_page(name, **query)

    assert not page.exception
    assert not page.error
    assert THIRD.name in texts(page)


def test_latency_by_input_size_has_a_line_for_the_third_model(open_page):
    charts = [chart.proto for chart in open_page("speed").get("plotly_chart")]

    (sweep,) = (chart for chart in charts if chart.alt.startswith("Latency by input size"))
    assert f"{THIRD.short_name} 20.0 ms per image" in sweep.alt
    assert THIRD.name in sweep.spec


def test_the_overview_stays_about_the_study_and_shows_the_third_model_on_the_photo(open_page):
    page = AppTest.from_file(str(ROOT / "featherface" / "dashboard" / "frame.py"), default_timeout=240).run()

    assert not page.exception
    assert page.title[0].value == "FeatherFace V1 vs V2"
    assert THIRD.name in texts(page)


@pytest.mark.parametrize("pair", [("v1", "tiny"), ("v2", "tiny")], ids=" vs ".join)
def test_any_two_models_are_compared_on_a_photo(open_page, pair):
    assert pair in model_pairs()
    page = open_page("detection", pair=" vs ".join(MODELS[key].name for key in pair))

    assert not page.exception
    assert [label for label in (card.label for card in page.metric) if label.startswith("Only")] == [
        f"Only {MODELS[key].short_name}" for key in pair
    ]
