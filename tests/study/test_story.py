"""Every headline of the story follows from the numbers, whichever way they point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featherface.evaluation.paired_bootstrap import Difference, PrecisionComparison, SavedComparison
from featherface.robustness.attribute_slices import Slice
from featherface.robustness.labelled_stress import MEAN, Condition, Estimate, Robustness
from featherface.robustness.robustness_results import SavedSlices, SavedStress
from featherface.study.claims import CLAIMS
from featherface.study.findings import Direction
from featherface.study.recomputation import CLAIM_COMMANDS, latency_command
from featherface.study.story import BLUR, CROWDS, PORTRAITS, Evidence, breaking_sentence, is_opposite, story
from tests.study.conftest import timed

SIZE, SPEED, LARGE, SMALL, BLURRED = range(5)
WHEN = "2026-01-02T03:04:05+00:00"


def heights(gap: float, *, used_for_selection: bool = False) -> SavedComparison:
    """V1 reaches 0.8 in both bands, V2 `gap` more, within 0.02."""
    found = Difference(0.8, 0.8 + gap, (gap - 0.02, gap + 0.02), None)
    compared = PrecisionComparison("manifest", 50, dict.fromkeys((PORTRAITS, CROWDS), found), found)
    return SavedComparison(
        ("v1", "v2"), ("a", "b"), "val", "original", 640, WHEN, used_for_selection, compared
    )


def stress(model: str, shares: tuple[float, ...], corruptions: tuple[str, ...] = (BLUR,)) -> SavedStress:
    """Average precision 0.8 on clean images, and these shares of it at severities 1 to 5, within 0.1.

    On every resampled set both models lose or gain the same, and each 0.01 more or less on its own.
    """
    scores = {Condition(BLUR, number): {MEAN: 0.8 * share} for number, share in enumerate(shares, 1)}
    share = sum(shares) / 5
    kept = Estimate(share, (share - 0.1, share + 0.1))
    own = 0.01 if model == "v1" else -0.01
    resampled = tuple(share + own * (-1) ** number + 0.1 * (number % 5 - 2) / 2 for number in range(20))
    measures = ({MEAN: Estimate(0.8, None)}, {MEAN: Estimate(0.8 * share, None)}, {MEAN: kept})
    found = Robustness("WIDER FACE", 50, corruptions, (1, 2, 3, 4, 5), *measures, scores, resampled)
    return SavedStress(model, "a", "val", "original", 640, WHEN, False, found)


def slices(model: str, heavy: float) -> SavedSlices:
    """Recall 0.9 of clear faces, and `heavy` of heavily blurred ones, within 0.05."""
    found = tuple(
        Slice("blur", value, "32-96 px", 50, 20, None, Estimate(recall, (recall - 0.05, recall + 0.05)))
        for value, recall in (("clear", 0.9), ("heavy blur", heavy))
    )
    few = Slice("blur", "normal blur", "32-96 px", 2, 1, None, None, "Only 1 image with faces")
    return SavedSlices(model, "a", "val", 50, 0.5, WHEN, False, (*found, few))


def test_without_measurements_only_the_size_is_known(counted):
    steps = story(counted, Evidence())
    assert steps[SIZE].headline == (
        "V2 has 57% fewer parameters and needs 65% fewer multiply-accumulates at 640 × 640"
    )
    assert [step.direction for step in steps] == [Direction.GAIN] + [Direction.OPEN] * 4
    assert [step.chart is None for step in steps] == [False] + [True] * 4
    assert all(step.command.startswith("featherface ") for step in steps)


@pytest.mark.parametrize(
    ("ratio", "spread", "words"),
    [
        pytest.param(2.0, 0.0, "V2 is 2.00 times faster: 10.1 ms", id="faster"),
        pytest.param(0.5, 0.0, "V2 is 2.00 times slower", id="slower"),
        pytest.param(1.0, 0.02, "No significant difference in speed", id="even"),
        pytest.param(2.0, 0.4, "Latency inconclusive (noisy run)", id="noisy"),
    ],
)
def test_the_speed_headline_follows_the_benchmark(counted, ratio, spread, words):
    step = story(timed(counted, ratio, spread=spread), Evidence())[SPEED]
    assert step.headline.startswith(words)
    assert "--runs 20" in step.command
    assert [series.values for series in step.chart.series][1] == pytest.approx((10.095,))


@pytest.mark.parametrize(
    ("gap", "direction", "words"),
    [
        pytest.param(-0.05, Direction.LOSS, "V2 is worse, average precision 0.750 instead of", id="worse"),
        pytest.param(0.05, Direction.GAIN, "V2 is better", id="better"),
        pytest.param(-0.01, Direction.EVEN, "no significant difference", id="the interval includes 0"),
    ],
)
@pytest.mark.parametrize("place", [LARGE, SMALL], ids=["portraits", "crowds"])
def test_a_band_of_heights_decides_its_headline(counted, place, gap, direction, words):
    step = story(counted, Evidence(heights(gap)))[place]
    assert step.direction is direction
    assert words in step.headline
    assert "50 images" in step.certainty
    assert step.chart.marked == (PORTRAITS, CROWDS)[place - LARGE]


def test_images_that_chose_the_checkpoints_are_said_so(counted):
    step = story(counted, Evidence(heights(0.05, used_for_selection=True)))[LARGE]
    assert "also selected on these images" in step.certainty


@pytest.mark.parametrize(
    ("first", "second", "direction", "words"),
    [
        pytest.param(
            (0.9, 0.8, 0.7, 0.6, 0.4), (0.9, 0.6, 0.4, 0.3, 0.2), Direction.LOSS,
            "FeatherFace V2 breaks first: it loses more than half of the average precision at severity 3; "
            "FeatherFace V1 does at severity 5", id="the second breaks first",
        ),
        pytest.param(
            (0.4, 0.3, 0.2, 0.1, 0.1), (0.9, 0.9, 0.9, 0.9, 0.9), Direction.GAIN,
            "FeatherFace V1 breaks first", id="the first breaks first",
        ),
        pytest.param((0.9,) * 5, (0.8,) * 5, Direction.LOSS, "Defocus blur: neither model", id="neither"),
        pytest.param((0.4,) * 5, (0.3,) * 5, Direction.LOSS, "Defocus blur: both models", id="both at once"),
        pytest.param(
            (0.9, 0.9, 0.9, 0.51, 0.4), (0.9, 0.9, 0.9, 0.49, 0.4), Direction.EVEN,
            "Defocus blur: no significant difference, V1 keeps 72% of its average precision and V2 72%",
            id="the paired interval includes 0",
        ),
    ],
)  # fmt: skip
def test_blur_names_the_model_that_breaks_first(counted, first, second, direction, words):
    pair = stress("v1", first), stress("v2", second)
    step = story(counted, Evidence(stress=pair))[BLURRED]
    assert step.direction is direction
    assert words in step.headline
    assert step.chart.series[0].values == pytest.approx((100, *(100 * share for share in first)))
    assert f"V1 keeps {sum(first) / 5:.0%} (95% confidence interval" in step.certainty
    points = 20 * (sum(second) - sum(first))
    assert (
        f"Difference {points:+.1f} percentage points, 95% paired confidence interval {points - 2:+.1f} to "
        f"{points + 2:+.1f}." in step.certainty
    )


def test_the_interval_of_many_corruptions_says_nothing_about_blur(counted):
    pair = stress("v1", (0.9,) * 5, (BLUR, "jpeg")), stress("v2", (0.3,) * 5, (BLUR, "jpeg"))
    step = story(counted, Evidence(stress=pair))[BLURRED]
    assert step.direction is Direction.INCONCLUSIVE
    assert step.headline == ("Defocus blur: inconclusive, V1 keeps 90% of its average precision and V2 30%")
    assert "V2 keeps 30% (no confidence interval)" in step.certainty
    assert "The difference has no paired confidence interval." in step.certainty


@pytest.mark.parametrize(
    ("first", "second", "direction", "words"),
    [
        pytest.param(0.8, 0.6, Direction.LOSS, "V2 breaks first, V2 finds 60% of the faces with", id="lower"),
        pytest.param(0.6, 0.8, Direction.GAIN, "V1 breaks first", id="higher"),
        pytest.param(0.8, 0.75, Direction.INCONCLUSIVE, "inconclusive", id="the intervals overlap"),
    ],
)
def test_blurred_faces_stand_in_for_blurred_images(counted, first, second, direction, words):
    pair = slices("v1", first), slices("v2", second)
    step = story(counted, Evidence(slices=pair))[BLURRED]
    assert step.direction is direction
    assert words in step.headline
    assert step.chart.categories == ("clear", "heavy blur")
    labelled = Evidence(stress=(stress("v1", (0.4,) * 5), stress("v2", (0.9,) * 5)), slices=pair)
    assert "FeatherFace V1 breaks first" in story(counted, labelled)[BLURRED].headline


def test_breaking_names_any_two_models():
    severities = {"v2": 2, "v1": None}
    assert breaking_sentence(severities, "half of the faces") == (
        "FeatherFace V2 breaks first: it loses more than half of the faces at severity 2; FeatherFace V1 "
        "does not, up to severity 5"
    )


def test_every_claim_has_a_command_or_is_a_definition():
    without = {claim.measurement for claim in CLAIMS if not CLAIM_COMMANDS[claim.measurement]}
    assert without == {"reference"}


def test_the_command_of_a_benchmark_repeats_its_settings(counted):
    latency = timed(counted, 2, runs=30).latency
    measured = replace(latency, settings=replace(latency.settings, engine="pytorch", threads=2))
    command = latency_command(measured)
    assert command == "featherface bench --sizes 640 --threads 2 --runs 30 --warmup 5 --engine pytorch"


@pytest.mark.parametrize(
    ("measured", "first", "second", "opposite"),
    [
        (Direction.LOSS, 1, 7, True),
        (Direction.LOSS, 7, 1, False),
        (Direction.GAIN, 7, 1, True),
        (Direction.GAIN, 1, 7, False),
        (Direction.LOSS, 4, 4, False),
        (Direction.EVEN, 1, 7, False),
    ],
)
def test_a_photo_that_contradicts_the_measurement_is_noticed(measured, first, second, opposite):
    assert is_opposite(measured, first, second) == opposite
