from __future__ import annotations

import json

import numpy as np
import pytest

from featherface.cli.main import main
from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.evaluation.curves import SavedCurves, save_curves
from featherface.models import MODELS
from featherface.profiling.latency import LatencyResult, LatencySettings, Progress
from featherface.profiling.machine import now, this_machine


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


def test_the_report_is_the_dashboards_and_opens_offline(tmp_path, capsys):
    assert main(["study", "--out", str(tmp_path)]) == 0
    report = (tmp_path / "featherface_report.html").read_text(encoding="utf-8")
    assert "<h2>Claims audit</h2>" in report
    assert "<h2>Average precision by subset</h2>" in report  # of the shipped weights
    assert str(tmp_path / "featherface_report.html") in capsys.readouterr().out


@pytest.mark.parametrize("rounds", [0, 2])
def test_a_run_that_was_stopped_says_how_many_rounds_it_has(rounds, tmp_path, monkeypatch, capsys):
    def stopped(*_: object):
        times = {key: {"network": (1.0,) * rounds} for key in MODELS}
        settings = LatencySettings(64, 64, runs=15, warmup=0)
        result = LatencyResult(settings, this_machine(), now(), times, 1.0, complete=False)
        yield Progress(rounds, 15, 0.0, (result,) if rounds else ())
        raise KeyboardInterrupt

    monkeypatch.setattr("featherface.profiling.latency.benchmark", stopped)
    assert main(["study", "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "comparison_summary.json").read_text())["measured"]["latency"]
    said = capsys.readouterr().out
    if rounds:
        assert (written["rounds"], written["complete"]) == (rounds, False)
        assert "Stopped after 2 of 15 rounds" in said
    else:
        assert written is None
        assert "Stopped before latency was measured" in said


def test_curves_of_other_weights_are_refused_before_anything_is_measured(tmp_path, capsys):
    curve = Curve(np.ones(1000), np.linspace(0, 1, 1000), np.ones(1000), 5, 0.9)
    evaluation = Evaluation("protocol", 10, dict.fromkeys(("easy", "medium", "hard"), curve))
    other = SavedCurves("v1", "f" * 64, "set", "original", 640, now(), {}, evaluation)
    path = tmp_path / "other.json"
    save_curves(path, [other])
    assert main(["study", "--out", str(tmp_path / "out"), "--curves", str(path)]) == 2
    err = capsys.readouterr().err
    assert "ffffffffffff" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
