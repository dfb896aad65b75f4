from __future__ import annotations

import json

import pytest

from featherface.cli.main import main
from featherface.profiling.latency import LatencySettings


@pytest.fixture(autouse=True)
def short_benchmark(monkeypatch) -> None:
    """Time a small input twice."""
    settings = LatencySettings(64, 64, runs=2, warmup=0)
    monkeypatch.setattr("featherface.study.summary.rounds", lambda *_, **__: settings)


def test_the_summary_is_written_and_printed(tmp_path, capsys):
    out = tmp_path / "results" / "study"
    assert main(["study", "--out", str(out), "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "comparison_summary.json").read_text())
    assert main(["study", "--out", str(out), "--quick"]) == 0
    assert "56.7% reduction" in capsys.readouterr().out
