"""Uploaded latency results: which replace earlier ones."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import streamlit as st

from featherface.dashboard.state.machine_results import add_bench_file, uploaded_machines
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import Machine
from featherface.reporting.machine_comparison import machine_bars

BOARD = Machine("Raspberry Pi 5", 4, 1, 2**33, "Linux aarch64", "3.11", "2.13")
SERVER = replace(BOARD, processor="AMD EPYC", system="Linux x86_64")


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a session of its own."""
    monkeypatch.setattr(st, "session_state", {})


def upload(machine: Machine, milliseconds: float, name: str = "result.json") -> None:
    times = {key: {"network": (milliseconds, milliseconds)} for key in ("v1", "v2")}
    result = LatencyResult(LatencySettings(runs=2), machine, "2026-01-01T00:00:00+00:00", times, 1.0, True)
    add_bench_file(json.dumps({"points": [result.as_record()]}).encode(), name)


def kept() -> list[tuple[str, str, float]]:
    return [
        (one.source, one.result.machine.processor, one.result.milliseconds["v1"]["network"][0])
        for one in uploaded_machines()
    ]


def test_a_file_of_the_same_name_from_another_machine_replaces_nothing() -> None:
    upload(BOARD, 80)
    upload(SERVER, 20)
    assert kept() == [("result.json", "Raspberry Pi 5", 80), ("result.json (2)", "AMD EPYC", 20)]


def test_a_newer_file_of_the_same_machine_replaces_the_earlier_one() -> None:
    upload(BOARD, 80)
    upload(SERVER, 20)
    upload(SERVER, 19)
    upload(BOARD, 78)
    assert kept() == [("result.json (2)", "AMD EPYC", 19), ("result.json", "Raspberry Pi 5", 78)]


def test_results_of_equal_machines_have_bars_of_their_own() -> None:
    upload(BOARD, 80, "first.json")
    upload(BOARD, 60, "second.json")
    bars = machine_bars(uploaded_machines()).data[0]
    assert len(set(bars.y)) == len(bars.x) == 2
