"""Curves survive the way to a file and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.evaluation.curves import CurvesError, SavedCurves, check_weights, load_curves, save_curves

CURVE = Curve(np.array([1.0, 0.5]), np.array([0.25, 0.5]), np.array([0.9, 0.02]), 4, 0.375, (0.25, 0.5))
EMPTY = Curve(np.zeros(2), np.zeros(2), np.array([0.9, 0.02]), 0, float("nan"))


def test_round_trip(tmp_path):
    evaluation = Evaluation("manifest", 3, {"all": CURVE, "under 16 px": EMPTY})
    saved = SavedCurves(
        "v1", "ab", "dev", "original", 640, "2026-01-01T00:00:00+00:00", {"cores": 2}, evaluation
    )
    file = tmp_path / "curves.json"
    save_curves(file, [saved])
    (loaded,) = load_curves(file)
    assert {**vars(loaded), "evaluation": None} == {**vars(saved), "evaluation": None}
    assert (loaded.evaluation.protocol, loaded.evaluation.images) == ("manifest", 3)
    np.testing.assert_equal(vars(loaded.evaluation.curves["all"]), vars(CURVE))
    np.testing.assert_equal(vars(loaded.evaluation.curves["under 16 px"]), vars(EMPTY))
    assert "NaN" not in file.read_text()  # which is no JSON


@pytest.mark.parametrize("text", ["", "{}", json.dumps([{"model": "v1"}]), "[1]"])
def test_a_file_of_something_else_is_named(tmp_path, text):
    file = tmp_path / "curves.json"
    file.write_text(text)
    with pytest.raises(CurvesError, match=r"curves\.json is not a readable results file"):
        load_curves(file)


def test_a_missing_field_is_named_as_missing(tmp_path):
    file = tmp_path / "curves.json"
    file.write_text(json.dumps({"curves": [{}]}))
    with pytest.raises(CurvesError, match=r"the field '\w+' is missing\."):
        load_curves(file)


def test_results_of_other_weights_name_both():
    evaluation = Evaluation("manifest", 3, {"all": CURVE})
    saved = SavedCurves("v1", "a" * 64, "dev", "original", 640, "2026-01-01", {}, evaluation)
    with pytest.raises(CurvesError) as refusal:
        check_weights([saved], {"v1": "b" * 64}, "found.json")
    assert str(refusal.value) == (
        "found.json contains results of V1 for the weights aaaaaaaaaaaa, but the current weights are "
        "bbbbbbbbbbbb; evaluate the current weights and pass that file."
    )
