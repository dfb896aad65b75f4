"""The FLOPs page over the real networks: exact counts at 640 pixels, links, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.dashboard.state import peak_performance as peak
from featherface.models import MODELS
from featherface.profiling.complexity import cost
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import this_machine
from featherface.profiling.roofline import MachinePeak
from featherface.serving.benchmark_queue import BenchmarkQueue, BenchmarkRequest

ROOT = Path(__file__).resolve().parents[2]
Open = Callable[..., AppTest]


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Open:
    """A function that opens the page with query parameters."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(tmp_path))
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()

    def opened(**query: str) -> AppTest:
        page = AppTest.from_file(str(ROOT / "pages" / "flops.py"), default_timeout=120)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return opened


@pytest.mark.parametrize(
    ("unit", "first", "second"),
    [("MACs", "1.303 GMACs", "0.462 GMACs"), ("FLOPs", "2.606 GFLOPs", "0.924 GFLOPs")],
)
def test_totals_name_their_unit(open_page, unit, first, second):
    page = open_page(unit=unit)

    assert not page.exception
    assert [card.value for card in page.metric][:2] == [first, second]
    table = page.dataframe[0].value
    assert unit in table
    assert table.groupby("Model")["Share (%)"].sum().tolist() == pytest.approx([100, 100])


def test_counters_stand_side_by_side_with_what_they_leave_out(open_page):
    page = open_page(cost="Counters", counter="thop as in the study", width="160", height="160")

    assert not page.exception
    counters = page.dataframe[0].value.set_index("Counter")
    by_study, by_layers = counters.loc["thop as in the study"], counters.loc["layer table"]
    assert by_layers["V1 MACs"] == cost("v1", 160).macs
    assert by_layers["V2 MACs"] == by_study["V2 MACs"] == cost("v2", 160).macs
    left_out = page.dataframe[1].value
    assert left_out.loc[0, "Operation"] == "deformable convolutions, before sampling"
    assert left_out.loc[0, "FLOPs"] == 2 * (by_layers["V1 MACs"] - by_study["V1 MACs"]) > 0


def test_layers_come_costliest_first(open_page):
    page = open_page(cost="By layer", width="160", height="160")

    assert not page.exception
    macs = page.dataframe[0].value["MACs"]
    assert macs.is_monotonic_decreasing
    assert (macs > 0).all()


def test_the_roofline_leaves_out_engines_whose_network_is_another(open_page, monkeypatch):
    """PyTorch does not fold batch norm: its run is newer, but of more operations than the chart counts."""

    def timing(engine: str, milliseconds: float) -> tuple[BenchmarkRequest, LatencyResult]:
        settings = LatencySettings(160, 160, runs=2, engine=engine)
        times = {key: {"network": (milliseconds,) * 2} for key in MODELS}
        result = LatencyResult(
            settings, this_machine(), "2026-01-02T03:04:05+00:00", times, 1.0, complete=True
        )
        return BenchmarkRequest((settings,)), result

    timings = (timing("onnxruntime", 20.0), timing("pytorch", 30.0))
    monkeypatch.setattr(BenchmarkQueue, "results", lambda _: timings)
    roof = MachinePeak(100.0, 10.0, "2026-01-02T03:04:05+00:00", this_machine())
    monkeypatch.setattr("featherface.dashboard.components.roofline_panel.known_peak", lambda _: roof)
    page = open_page(cost="Roofline", width="160", height="160")

    assert set(page.dataframe[0].value["Measured (ms)"].dropna()) == {20.0}


def test_the_roof_is_shown_once_somebody_measured_it(open_page, monkeypatch):
    def measured() -> MachinePeak:
        return MachinePeak(100.0, 10.0, "2026-01-02T03:04:05+00:00", this_machine())

    monkeypatch.setattr(peak, "measure_peak", measured)
    page = open_page(cost="Roofline", width="160", height="160")
    assert not page.get("plotly_chart")

    page.button[0].click().run()
    page.run()  # the result outlives the click

    assert not page.exception
    assert len(page.get("plotly_chart")) == 1
    table = page.dataframe[0].value
    assert (table["Attainable (GFLOPS)"] <= 100).all()
    assert "Measured (ms)" not in table  # nothing was timed
