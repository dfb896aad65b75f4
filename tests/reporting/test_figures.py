"""Every chart names its axes, and draws as many models as it is given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from featherface.detection.agreement import AgreementCurve
from featherface.models import MODELS
from featherface.profiling.latency import summary
from featherface.profiling.roofline import MachinePeak
from featherface.reporting.figures.accuracy import curve_chart, peers_chart, precision_bars
from featherface.reporting.figures.costs import Workload, model_bars, model_lines, roofline_chart
from featherface.reporting.figures.radar_chart import radar_chart
from featherface.reporting.figures.story_bars import story_bars
from featherface.reporting.figures.thresholds import mark_thresholds, threshold_chart
from featherface.reporting.figures.timing import histogram, stage_bars, sweep_lines
from featherface.reporting.figures.training_log import losses_chart, scores_chart
from featherface.study.radar import Axis, Radar
from featherface.study.results import TrainingLog
from featherface.study.story import Series, StepChart
from tests.third_model import register_third_model

KEYS = ("v1", "v2", "tiny")
MEDIANS = {"v1": 60.0, "v2": 20.0, "tiny": 10.0}
LOG = pd.DataFrame({"step": [1, 2], "mean": [2.0, 1.0], "boxes": [1.0, 0.5]})
SCORES = pd.DataFrame({"step": [1, 2], "easy": [0.1, 0.2], "hard": [0.0, 0.1]})


@pytest.fixture
def figures(timed, curve, machine, monkeypatch) -> dict[str, go.Figure]:
    """Each figure of three models, by name."""
    register_third_model(monkeypatch)
    result = timed(**MEDIANS)
    table = pd.DataFrame({"Model": [MODELS[key].name for key in KEYS], "Input size (px)": 640, "MACs": 10**9})
    peak = MachinePeak(100, 10, "2026-01-02T03:04:05+00:00", machine)
    points = [Workload(key, group, 2, 10, reached=group is None) for key in KEYS for group in (None, "SSH")]
    peers = pd.DataFrame(
        [
            {"name": key, "protocol": "set", "x": 1e6, "precision": 80, "note": "", "model": key}
            for key in KEYS
        ]
    )
    return {
        "histogram": histogram(result),
        "sweep": sweep_lines("Input size (px)", [(320, timed(320, **MEDIANS)), (640, result)]),
        "stages": stage_bars({key: summary(result, key) for key in KEYS}),
        "bars": model_bars(["SSH"], {key: [1] for key in KEYS}, "MACs"),
        "lines": model_lines(table, "Input size (px)", "MACs"),
        "roofline": roofline_chart(peak, points),
        "precision": precision_bars({key: {"easy": curve()} for key in KEYS}),
        "curves": curve_chart({key: curve() for key in KEYS}),
        "peers": peers_chart(peers, "Parameters", "Average precision (%)"),
    }


CATEGORIES = {"stages", "bars"}  # the names on these vertical axes speak for themselves


def test_every_axis_has_a_title(figures):
    for name, figure in figures.items():
        assert figure.layout.xaxis.title.text, name
        assert name in CATEGORIES or figure.layout.yaxis.title.text, name


@pytest.mark.parametrize("name", ["histogram", "sweep", "bars", "lines", "precision", "curves"])
def test_a_third_model_is_drawn_like_the_others(figures, name):
    names = [trace.name.partition(":")[0] for trace in figures[name].data]
    assert names == [MODELS[key].name for key in KEYS]


def test_lines_of_three_models_differ_without_colour(figures):
    assert len({trace.line.dash for trace in figures["lines"].data}) == len(KEYS)


def test_the_histogram_counts_every_round_and_marks_the_medians(timed):
    figure = histogram(timed(v1=60.0, v2=20.0))
    assert [sum(trace.y) for trace in figure.data] == [10, 10]
    assert [mark.x0 for mark in figure.layout.shapes] == pytest.approx([60, 20])


def test_stages_add_up_to_the_latency(timed):
    result = timed(v1=60.0, v2=20.0)
    bars = stage_bars({key: summary(result, key) for key in result.milliseconds})
    assert np.sum([bar.x for bar in bars.data], axis=0) == pytest.approx([60, 20])


def test_a_score_without_an_interval_has_no_error_bar_and_says_why(curve):
    made = {"few": curve(interval=None, no_interval="Only 6 images with faces."), "many": curve()}
    (bar,) = precision_bars({"v1": made}).data
    assert bar.error_x.array[0] is None
    assert bar.error_x.array[1] == pytest.approx(0.1)
    assert bar.customdata[0] == "Only 6 images with faces."
    assert bar.customdata[1] == "95% confidence interval 0.400 to 0.600"


def test_the_radar_has_one_closed_polygon_per_model():
    axes = tuple(Axis(name, "formula", {"v1": 1.0, "v2": 0.5}, 0.5) for name in ("a", "b", "c"))
    figure = radar_chart(Radar(axes, ()))
    assert [trace.name for trace in figure.data] == [MODELS[key].name for key in ("v1", "v2")]
    assert all(trace.theta[0] == trace.theta[-1] for trace in figure.data)


@pytest.mark.parametrize(
    ("current", "marks"), [({"v1": 0.5, "v2": 0.5}, [0.5]), ({"v1": 0.5, "v2": 0.3}, [0.5, 0.3])]
)
def test_each_threshold_in_force_is_marked_once(current, marks):
    confidences, counts = np.linspace(0.02, 0.99, 98), np.arange(98)[::-1]
    curve = AgreementCurve(confidences, counts, counts, counts, counts / 97)
    figure = threshold_chart(curve, MODELS["v1"], MODELS["v2"], {"v1": 0.2, "v2": 0.4})
    mark_thresholds(figure, MODELS["v1"], MODELS["v2"], current)
    assert [mark.x0 for mark in figure.layout.shapes] == marks
    assert figure == threshold_chart(curve, MODELS["v1"], MODELS["v2"], current)
    assert figure.layout.yaxis2.title.text == "Agreement (%)"


def test_training_charts_draw_losses_and_scores():
    log = TrainingLog("v1", "stage", LOG, SCORES)
    assert [trace.name for trace in losses_chart(log).data] == ["boxes", "mean"]
    chart = scores_chart(log.model, SCORES)
    assert [trace.name for trace in chart.data] == ["easy", "hard"]
    assert chart.layout.xaxis.title.text == "Training step"


def test_an_error_bar_crosses_no_number():
    """It starts in the middle of a bar, where a number in a short bar would be."""
    one = Series("V2 minus V1", "#0d9488", (-0.014, -0.066), ((-0.03, 0.0), (-0.09, -0.05)))

    figure = story_bars(StepChart("Difference", ("large", "small"), (one,), 3))

    assert figure.data[0].text is None
    assert figure.layout.xaxis.ticktext == ("large<br>-0.014", "small<br>-0.066")
