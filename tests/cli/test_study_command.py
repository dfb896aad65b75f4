from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest

from featherface.cli.main import main
from featherface.config import WEIGHTS_DIR
from featherface.engines.choice import default_engine, installed_engines
from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.evaluation.curves import SavedCurves, save_curves
from featherface.evaluation.paired_bootstrap import (
    Difference,
    PrecisionComparison,
    SavedComparison,
    save_comparisons,
)
from featherface.models import MODELS
from featherface.profiling.latency import LatencyResult, LatencySettings, Progress
from featherface.profiling.machine import now, this_machine
from featherface.study import summary as study
from featherface.study.results import shipped_checksums
from featherface.study.summary import in_every_engine


@pytest.fixture(autouse=True)
def short_benchmark(monkeypatch) -> None:
    """Time a small input twice, in the default engine alone: loading the networks takes longest."""
    settings = LatencySettings(64, 64, runs=2, warmup=0)
    monkeypatch.setattr(study, "rounds", lambda *_, **__: settings)
    monkeypatch.setattr(study, "in_every_engine", lambda settings: (settings,))


def test_the_summary_of_every_engine_is_written_and_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "in_every_engine", in_every_engine)
    out = tmp_path / "results" / "study"
    assert main(["study", "--out", str(out), "--quick", "--json"]) == 0
    written = json.loads((out / "comparison_summary.json").read_text())
    assert json.loads(capsys.readouterr().out) == written
    others = [found["settings"]["engine"] for found in written["measured"]["latency_in_other_engines"]]
    assert sorted([default_engine(), *others]) == sorted(installed_engines())


def test_the_report_is_the_dashboards_and_opens_offline(tmp_path, capsys):
    assert main(["study", "--out", str(tmp_path)]) == 0
    report = (tmp_path / "featherface_report.html").read_text(encoding="utf-8")
    assert "<h2>Claims audit</h2>" in report
    assert "<h2>Average precision by subset</h2>" in report  # of the shipped weights
    printed = capsys.readouterr().out
    assert "56.7% reduction" in printed
    assert str(tmp_path / "featherface_report.html") in printed


def test_pdf_and_slides_are_written_on_request(tmp_path, capsys):
    assert main(["study", "--out", str(tmp_path), "--pdf", "--pptx"]) == 0
    assert (tmp_path / "featherface_report.pdf").read_bytes().startswith(b"%PDF-")
    assert (tmp_path / "featherface_slides.pptx").read_bytes().startswith(b"PK")
    assert "featherface_slides.pptx" in capsys.readouterr().out


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


def curves_of(checksums: Mapping[str, str]) -> list[SavedCurves]:
    curve = Curve(np.ones(1000), np.linspace(0, 1, 1000), np.ones(1000), 5, 0.9)
    evaluation = Evaluation("protocol", 10, dict.fromkeys(("easy", "medium", "hard"), curve))
    return [
        SavedCurves(key, checksum, "set", "original", 640, now(), {}, evaluation)
        for key, checksum in checksums.items()
    ]


def comparison_of(checksums: Mapping[str, str], images: int = 10) -> SavedComparison:
    found = Difference(0.9, 0.8, (-0.15, -0.05), (0.85, 0.95))
    compared = PrecisionComparison("protocol", images, {"hard": found}, found)
    weights = checksums["v1"], checksums["v2"]
    return SavedComparison(("v1", "v2"), weights, "set", "original", 640, now(), False, compared)


def test_curves_of_other_weights_are_refused_before_anything_is_measured(tmp_path, capsys):
    path = tmp_path / "other.json"
    save_curves(path, curves_of({"v1": "f" * 64}))
    assert main(["study", "--out", str(tmp_path / "out"), "--curves", str(path)]) == 2
    err = capsys.readouterr().err
    assert "V1 for the weights ffffffffffff" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_paired_comparison_decides_what_the_curves_alone_leave_open(tmp_path, capsys):
    checksums = shipped_checksums(WEIGHTS_DIR)
    curves, comparison = tmp_path / "curves.json", tmp_path / "comparison.json"
    save_curves(curves, curves_of(checksums))
    save_comparisons(comparison, [comparison_of(checksums)])
    options = ["study", "--out", str(tmp_path / "out"), "--json", "--curves", str(curves)]

    assert main(options) == 0
    assert json.loads(capsys.readouterr().out)["measured"]["accuracy_difference"] is None
    assert main([*options, "--comparison", str(comparison)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measured"]["accuracy_difference"]["mean"]["interval"] == [-0.15, -0.05]


@pytest.mark.parametrize(
    ("checksum", "images", "message"),
    [
        pytest.param("f" * 64, 10, "V2 for the weights ffffffffffff", id="other weights"),
        pytest.param(None, 11, "no comparison of the study's models on the images", id="other images"),
    ],
)
def test_a_comparison_that_does_not_belong_to_the_curves_is_refused(
    checksum, images, message, tmp_path, capsys
):
    checksums = shipped_checksums(WEIGHTS_DIR)
    curves, comparison = tmp_path / "curves.json", tmp_path / "comparison.json"
    save_curves(curves, curves_of(checksums))
    of = {**checksums, "v2": checksum or checksums["v2"]}
    save_comparisons(comparison, [comparison_of(of, images)])
    options = ["--curves", str(curves), "--comparison", str(comparison)]

    assert main(["study", "--out", str(tmp_path / "out"), *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_folder_of_weights_is_that_of_the_environment(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(tmp_path))
    assert main(["study", "--out", str(tmp_path / "out"), "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["measured"]["models"]
    assert [model["weights"].split(",")[0] for model in models.values()] == ["seeded", "seeded"]
