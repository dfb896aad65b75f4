"""Which results beside the weights are taken, and which are not."""

from __future__ import annotations

import numpy as np
import pytest

from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.evaluation.curves import SavedCurves, save_curves
from featherface.study.results import accuracies, accuracy, load_networks, shipped_curves, training_logs

CHECKSUMS = {"v1": "one", "v2": "two"}


def saved(
    model: str, sha256: str, pictures: int, *, subsets: tuple[str, ...] = ("easy", "medium", "hard")
) -> SavedCurves:
    steps = np.array([0.5, 1.0])
    curves = {name: Curve(steps, steps, steps, 3, 0.6 + 0.1 * n) for n, name in enumerate(subsets)}
    evaluation = Evaluation("WIDER FACE", pictures, curves)
    return SavedCurves(
        model, sha256, "val", "original", 640, "2026-01-01T00:00:00+00:00", {"processor": "P"}, evaluation
    )


def test_accuracy_names_protocol_pictures_and_size():
    found = accuracy(saved("v1", "one", 7))

    assert (found.easy, found.medium, found.hard) == pytest.approx((0.6, 0.7, 0.8))
    assert (found.protocol, found.images) == ("WIDER FACE, val, original size", 7)


def test_bands_of_height_are_no_official_accuracy():
    assert accuracy(saved("v1", "one", 7, subsets=("all", "under 16 px"))) is None


def test_results_of_other_weights_do_not_count():
    assert set(accuracies([saved("v1", "one", 7), saved("v2", "older", 7)], CHECKSUMS)) == {"v1"}


def test_the_set_that_both_models_share_goes_before_a_larger_one():
    found = accuracies(
        [saved("v1", "one", 3226), saved("v1", "one", 300), saved("v2", "two", 300)], CHECKSUMS
    )

    assert {key: one.images for key, one in found.items()} == {"v1": 300, "v2": 300}


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
