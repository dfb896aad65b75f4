"""Which results beside the weights are taken, and which are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featherface.config import WEIGHTS_DIR
from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.evaluation.curves import SavedCurves, save_curves
from featherface.evaluation.engine_accuracy import EngineAccuracy, save_engine_accuracy
from featherface.evaluation.paired_bootstrap import (
    Difference,
    PrecisionComparison,
    SavedComparison,
    save_comparisons,
)
from featherface.study.pruning_curve import PrunedScore, PruningCurve, save_pruning_curve
from featherface.study.results import (
    accuracies,
    accuracy,
    load_networks,
    paired_comparison,
    shipped_checksums,
    shipped_comparisons,
    shipped_curves,
    shipped_engines,
    shipped_pruning,
    training_logs,
)

CHECKSUMS = {"v1": "one", "v2": "two"}


def saved(
    model: str, sha256: str, images: int, *, subsets: tuple[str, ...] = ("easy", "medium", "hard")
) -> SavedCurves:
    steps = np.array([0.5, 1.0])
    curves = {name: Curve(steps, steps, steps, 3, 0.6 + 0.1 * n) for n, name in enumerate(subsets)}
    evaluation = Evaluation("WIDER FACE", images, curves)
    return SavedCurves(
        model, sha256, "val", "original", 640, "2026-01-01T00:00:00+00:00", {"processor": "P"}, evaluation
    )


def test_accuracy_names_protocol_images_and_size():
    found = accuracy(saved("v1", "one", 7))

    assert (found.easy, found.medium, found.hard) == pytest.approx((0.6, 0.7, 0.8))
    assert (found.protocol, found.images) == ("val, original size, WIDER FACE protocol", 7)


def test_bands_of_height_are_no_official_accuracy():
    assert accuracy(saved("v1", "one", 7, subsets=("all", "under 16 px"))) is None


def test_results_of_other_weights_do_not_count():
    assert set(accuracies([saved("v1", "one", 7), saved("v2", "older", 7)], CHECKSUMS)) == {"v1"}


def test_the_set_that_both_models_share_goes_before_a_larger_one():
    found = accuracies(
        [saved("v1", "one", 3226), saved("v1", "one", 300), saved("v2", "two", 300)], CHECKSUMS
    )

    assert {key: one.images for key, one in found.items()} == {"v1": 300, "v2": 300}


def test_a_held_out_set_goes_before_a_larger_one_that_chose_the_checkpoints():
    curves = [
        replace(saved(key, sha256, images), used_for_selection=used, image_set=f"set of {images}")
        for key, sha256 in CHECKSUMS.items()
        for images, used in ((3226, True), (300, False))
    ]
    found = accuracies(curves, CHECKSUMS)

    assert [(one.images, one.used_for_selection) for one in found.values()] == [(300, False)] * 2


def comparison(**changes: object) -> SavedComparison:
    found = Difference(0.7, 0.6, (-0.2, -0.05), (0.8, 0.9))
    whole = SavedComparison(
        ("v1", "v2"),
        ("one", "two"),
        "val",
        "original",
        640,
        "2026-01-01T00:00:00+00:00",
        used_for_selection=True,
        comparison=PrecisionComparison("WIDER FACE", 7, {"hard": found}, found),
    )
    return replace(whole, **changes)


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        pytest.param({}, True, id="same images and weights"),
        pytest.param({"weights_sha256": ("one", "older")}, False, id="other weights"),
        pytest.param({"models": ("v2", "v1")}, False, id="the other way round"),
        pytest.param({"image_set": "train"}, False, id="other images"),
        pytest.param({"resize": "study"}, False, id="another input size"),
    ],
)
def test_a_comparison_counts_for_its_weights_and_images_alone(tmp_path, changes, taken):
    (tmp_path / "evaluation" / "paired").mkdir(parents=True)
    save_comparisons(tmp_path / "evaluation" / "paired" / "val.json", [comparison(**changes)])
    (tmp_path / "evaluation" / "paired" / "broken.json").write_text("{}")
    scored = accuracies([saved("v1", "one", 7), saved("v2", "two", 7)], CHECKSUMS)

    found = paired_comparison(shipped_comparisons(tmp_path), CHECKSUMS, scored)
    assert found == (comparison().comparison if taken else None)


def test_a_pruning_curve_counts_for_its_weights_alone(tmp_path):
    folder = tmp_path / "evaluation" / "pruning"
    folder.mkdir(parents=True)
    points = (PrunedScore(0.1, 0.7, (-0.01, 0.01)),)
    curve = PruningCurve("v2", "two", "val", 9, "WIDER FACE", "2026-01-01T00:00:00+00:00", True, 0.7, points)
    save_pruning_curve(folder / "v2.json", curve)
    (folder / "broken.json").write_text("[]")

    assert shipped_pruning(tmp_path, CHECKSUMS) == {"v2": curve}
    assert shipped_pruning(tmp_path, {"v2": "newer"}) == {}


def test_average_precision_by_engine_counts_for_its_weights_alone(tmp_path):
    folder = tmp_path / "evaluation" / "engines"
    folder.mkdir(parents=True)
    found = EngineAccuracy("v2", "two", "val", "2026-01-01T00:00:00+00:00", True, ())
    save_engine_accuracy(folder / "v2.json", found)
    (folder / "broken.json").write_text("[]")

    assert shipped_engines(tmp_path, CHECKSUMS) == {"v2": found}
    assert shipped_engines(tmp_path, {"v2": "newer"}) == {}


def test_the_shipped_results_are_those_of_the_shipped_weights():
    checksums = shipped_checksums(WEIGHTS_DIR)
    scored = accuracies(shipped_curves(WEIGHTS_DIR), checksums)

    assert set(scored) == set(CHECKSUMS)
    assert paired_comparison(shipped_comparisons(WEIGHTS_DIR), checksums, scored).mean.interval
    assert set(shipped_engines(WEIGHTS_DIR, checksums)) == set(CHECKSUMS)


def test_nothing_is_known_without_results():
    assert accuracies([], CHECKSUMS) == {}


def test_a_damaged_result_file_is_left_out(tmp_path):
    folder = tmp_path / "evaluation"
    folder.mkdir()
    save_curves(folder / "v1_val.json", [saved("v1", "one", 7)])
    (folder / "v2_val.json").write_text("{")

    assert [one.model for one in shipped_curves(tmp_path)] == ["v1"]


def test_logs_keep_the_later_line_of_a_step_done_twice(tmp_path):
    folder = tmp_path / "training"
    folder.mkdir()
    (folder / "v2_neck_log.csv").write_text("step,mean\n20,5\n40,4\n20,3\n")
    (folder / "v2_neck_scores.csv").write_text("step,easy\n20,0.1\n")
    (folder / "v1_blocks_log.csv").write_text("no,columns\n")

    (log,) = training_logs(tmp_path)

    assert (log.model, log.stage) == ("v2", "neck")
    assert log.losses.to_dict("list") == {"step": [20, 40], "mean": [3, 4]}
    assert list(log.scores["easy"]) == [0.1]


def test_networks_without_weights_are_seeded_and_say_so(tmp_path):
    networks, words = load_networks(tmp_path)

    assert list(networks) == list(words) == ["v1", "v2"]
    assert all("untrained" in text for text in words.values())
