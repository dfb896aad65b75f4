"""Gains and losses follow from the numbers, and nothing is said that was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featherface.study.findings import Direction, findings
from featherface.study.headlines import headlines
from featherface.study.measurements import SELECTION_NOTE
from tests.study.conftest import scored, timed

LATENCY, PRECISION = 3, 4  # places among the findings


def test_counts_are_exact_gains(counted):
    found = findings(counted)

    assert [finding.direction for finding in found[:3]] == [Direction.GAIN] * 3
    assert found[0].sentence == "57% fewer parameters: 256,156 instead of 592,371"
    assert found[2].sentence == "56% fewer bytes of weights: 1.05 MB instead of 2.41 MB"


def test_what_was_not_measured_stays_open(counted):
    assert [finding.direction for finding in findings(counted)[LATENCY:]] == [Direction.OPEN] * 2


@pytest.mark.parametrize(
    ("ratio", "spread", "direction"),
    [
        pytest.param(2.0, 0.0, Direction.GAIN, id="twice as fast"),
        pytest.param(0.5, 0.0, Direction.LOSS, id="twice as slow"),
        pytest.param(1.0, 0.02, Direction.EVEN, id="the interval of the speed-up includes 1"),
        pytest.param(2.0, 0.4, Direction.INCONCLUSIVE, id="a noisy run decides nothing"),
    ],
)
def test_speed_counts_only_beyond_its_interval(counted, ratio, spread, direction):
    assert findings(timed(counted, ratio, spread=spread))[LATENCY].direction is direction


def test_a_noisy_run_is_not_reported_as_equal_speed(counted):
    noisy = findings(timed(counted, 2.0, spread=0.4))[LATENCY]

    assert noisy.sentence.startswith("Latency inconclusive (noisy run): ")
    assert "Spread is 80% (limit 10%): round times varied widely. " in noisy.certainty
    assert noisy.certainty.index("noisy") < noisy.certainty.index("confidence interval of the speed-up")
    (card,) = (row for row in headlines(timed(counted, 2.0, spread=0.4)) if row.name == "Latency")
    assert card.certainty == "Speed-up 1.99, unreliable: noisy run"


@pytest.mark.parametrize(
    ("protocols", "hard", "direction"),
    [
        pytest.param(("a", "a"), (0.8, 0.7), Direction.LOSS, id="lower"),
        pytest.param(("a", "a"), (0.7, 0.8), Direction.GAIN, id="higher"),
        pytest.param(("a", "a"), (0.8, 0.775), Direction.LOSS, id="less than 0.01, but significant"),
        pytest.param(("a", "a"), (0.8, 0.79), Direction.EVEN, id="the paired interval includes 0"),
        pytest.param(("a", "b"), (0.8, 0.7), Direction.OPEN, id="other protocols do not compare"),
    ],
)
def test_precision_is_compared_by_its_paired_interval(counted, protocols, hard, direction):
    assert findings(scored(counted, hard, protocols=protocols))[PRECISION].direction is direction


def test_a_difference_without_an_interval_is_open_and_says_why(counted):
    measured = scored(counted, (0.8, 0.7))
    few = replace(measured.comparison.mean, interval=None, no_interval="faces in fewer than ten images")
    found = findings(replace(measured, comparison=replace(measured.comparison, mean=few)))[PRECISION]
    assert found.direction is Direction.OPEN
    assert found.certainty == "No confidence interval: faces in fewer than ten images"


@pytest.mark.parametrize("used_for_selection", [True, False])
def test_precision_says_whether_its_images_chose_the_checkpoints(counted, used_for_selection):
    found = findings(scored(counted, (0.8, 0.7), used_for_selection=used_for_selection))[PRECISION]
    assert (SELECTION_NOTE in found.certainty) == used_for_selection
