from __future__ import annotations

from dataclasses import replace

import pytest

from featherface.reporting.evaluation_runs import report_charts, runs

HEIGHTS = ("all", "under 16 px")


def test_models_share_a_run_only_on_the_same_images(saved):
    found = runs([saved("v1"), saved("v2", images=90)])
    assert [(list(run.results), run.first.evaluation.images) for run in found] == [
        (["v1"], 100),
        (["v2"], 90),
    ]


def test_the_order_of_the_registry_and_official_subsets_come_first(saved):
    found = runs(
        [saved("v2", HEIGHTS, images=500), saved("v1", HEIGHTS, images=500), saved("v2"), saved("v1")]
    )
    assert [(run.official, list(run.results)) for run in found] == [
        (True, ["v1", "v2"]),
        (False, ["v1", "v2"]),
    ]


def test_a_second_evaluation_of_one_model_starts_another_run(saved):
    assert [list(run.results) for run in runs([saved("v1"), saved("v1"), saved("v2")])] == [
        ["v1", "v2"],
        ["v1"],
    ]


@pytest.mark.parametrize(("subsets", "drawn"), [(("easy", "medium", "hard"), "hard"), (HEIGHTS, "all")])
def test_the_report_has_bars_and_one_curve_per_run(saved, subsets, drawn):
    bars, curves = report_charts([saved("v1", subsets)])
    assert bars.title.startswith("Average precision by ")
    assert curves.title == f"Precision-recall curve, {drawn} faces"
    assert "100 images" in bars.note


def test_a_run_without_a_face_that_counts_draws_nothing(saved):
    run = saved("v1", HEIGHTS)
    curves = {name: replace(curve, faces=0) for name, curve in run.evaluation.curves.items()}
    empty = replace(run, evaluation=replace(run.evaluation, curves=curves))
    assert report_charts([empty]) == []


def test_images_that_chose_the_checkpoints_are_named_as_such(saved):
    (run,) = runs([replace(saved("v1"), used_for_selection=True), saved("v2")])
    assert run.about.endswith("These images were also used to choose the checkpoints.")
