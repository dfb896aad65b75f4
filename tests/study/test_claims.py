"""The claims audit, the radar, the headlines and the recommendations follow from the measurements."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch

from featherface.evaluation.engine_accuracy import EngineAccuracy, VariantAccuracy
from featherface.evaluation.paired_bootstrap import Difference, PrecisionComparison
from featherface.models import MODELS
from featherface.profiling.pruning import pruned
from featherface.profiling.quantisation import quantise_weight, quantised_size, stored_bytes
from featherface.study import claims
from featherface.study import summary as study
from featherface.study.claim_measurements import MEASUREMENTS, Reading
from featherface.study.claims import CLAIMS, Claim, ClaimsError, Verdict, audit, parse_claims
from featherface.study.headlines import headlines
from featherface.study.measurements import SELECTION_NOTE, SELECTION_REMARK, Measurements
from featherface.study.provenance import Badge
from featherface.study.radar import radar
from featherface.study.recommendations import Support, recommendations
from tests.study.conftest import scored, timed

NOT_MEASURED = {
    "target-map",
    "radar-speed-v2",
    "radar-accuracy-v1",
    "v1-map",
    "radar-accuracy-v2",
    "radar-efficiency",
    "speed-up-pytorch",
    "speed-up-onnxruntime",
    "speed-up-openvino",
    "pruning",
}


def verdicts(measurements: Measurements) -> dict[str, Verdict]:
    return {row.claim.id: row.verdict for row in audit(measurements)}


def test_claims_that_counting_alone_settles(counted):
    assert {name: verdict for name, verdict in verdicts(counted).items() if name not in NOT_MEASURED} == {
        "v1-parameters": "holds",
        "v2-parameters": "holds",
        "reduction": "off",
        "v1-flops-label": "wrong",
        "v2-flops-label": "wrong",
        "radar-parameters-v1": "holds",
        "radar-parameters-v2": "holds",
        "radar-flops-v1": "wrong",
        "radar-flops-v2": "wrong",
        "radar-speed-v1": "holds",
        "bifpn-reduction": "wrong",
        "bifpn-v1": "off",
        "bifpn-v2": "wrong",
        "ssh-reduction": "off",
        "ssh-v1": "holds",
        "ssh-v2": "holds",
        "cbam-reduction": "wrong",
        "model-size": "off",
        "int8-size": "wrong",
    }


def test_what_was_not_measured_is_not_judged(counted):
    judged = verdicts(counted)

    assert {name for name, verdict in judged.items() if verdict == Verdict.NOT_MEASURED} == NOT_MEASURED


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.8, Verdict.HOLDS), (2.1, Verdict.OFF), (3.0, Verdict.WRONG), (0.9, Verdict.WRONG)],
)
def test_the_speed_up_is_judged_by_its_interval(counted, ratio, verdict):
    assert verdicts(timed(counted, ratio))["speed-up-onnxruntime"] == verdict


def audit_one(monkeypatch, reading: Reading) -> None:
    """Leave one claim, 1.5 to 2 times, and give it `reading`."""
    claim = Claim("x", "1.5 to 2", "", 1.5, 0.0, "made up", 2.0, "times")
    monkeypatch.setattr(claims, "CLAIMS", (claim,))
    monkeypatch.setattr(claims, "MEASUREMENTS", {"made up": lambda *_: reading})


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.6, 1.9, Verdict.HOLDS),
        (1.4, 1.9, Verdict.INCONCLUSIVE),  # the interval reaches below the claim
        (1.3, 1.4, Verdict.OFF),
        (0.9, 1.1, Verdict.WRONG),
    ],
)
def test_verdicts_of_intervals(counted, monkeypatch, low, high, verdict):
    audit_one(monkeypatch, Reading((low + high) / 2, low, high, "", Badge.MEASURED))

    assert [row.verdict for row in audit(counted)] == [verdict]


def test_a_disturbed_measurement_settles_nothing(counted, monkeypatch):
    audit_one(monkeypatch, Reading(3.0, 2.9, 3.1, "", Badge.MEASURED, caution="The run was noisy."))

    (row,) = audit(counted)
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.text.endswith("The run was noisy.")


def test_accuracy_is_judged_once_it_is_scored(counted):
    judged = verdicts(scored(counted, (0.92, 0.92), margin=0))

    assert judged["target-map"] == Verdict.HOLDS
    assert judged["v1-map"] == Verdict.OFF


def test_counts_definitions_and_measurements_are_labelled_as_such(counted):
    badges = {
        row.claim.id: row.reading.badge
        for row in audit(scored(timed(counted, 1.8), (0.8, 0.7)))
        if row.reading
    }
    definitions = {"radar-parameters-v2", "radar-flops-v2", "radar-speed-v1"}
    measured = {
        "speed-up-onnxruntime",
        "radar-speed-v2",
        "target-map",
        "v1-map",
        "radar-accuracy-v1",
        "radar-accuracy-v2",
    }
    measured |= {"radar-efficiency"}

    assert {name for name, badge in badges.items() if badge is Badge.DEFINITION} == definitions
    assert {name for name, badge in badges.items() if badge is Badge.MEASURED} == measured
    assert sum(badge is Badge.COUNTED for badge in badges.values()) == 16
    texts = {row.claim.id: row.text for row in audit(counted)}
    assert texts["v1-parameters"] == "Counted 592.4 thousand."
    assert texts["radar-speed-v1"] == "1 by definition."


def test_the_speed_up_is_judged_in_each_engine(counted):
    one = timed(counted, 3.3)
    torch_latency = timed(counted, 1.8).latency
    other = replace(torch_latency, settings=replace(torch_latency.settings, engine="pytorch"))
    found = verdicts(replace(one, latencies=(other,)))

    assert found["speed-up-onnxruntime"] == Verdict.WRONG
    assert found["speed-up-pytorch"] == Verdict.HOLDS
    assert found["speed-up-openvino"] == Verdict.NOT_MEASURED


def test_the_int8_claim_is_compared_with_real_files(counted):
    same = Difference(0.9, 0.9, (0.0, 0.0), (1.0, 1.0))
    comparison = PrecisionComparison("WIDER FACE", 20, {"hard": same}, same)
    sizes = {"pytorch-float32": 1_100_000, "onnxruntime-int8": 548_600, "openvino-int8": 2_570_000}
    rows = tuple(VariantAccuracy(key, "1", size, comparison) for key, size in sizes.items())
    engines = EngineAccuracy("v2", "sha", "val", "2026-01-01T00:00:00+00:00", False, rows)
    models = {**counted.models, "v2": replace(counted.models["v2"], engines=engines)}
    measured = replace(counted, models=models)
    row = next(row for row in audit(measured) if row.claim.id == "int8-size")

    assert row.reading.value == 548.6
    assert row.verdict == Verdict.WRONG
    assert "openvino-int8 2,570,000" in row.reading.how
    assert "256 kB" in row.text
    (files,) = (text for each in recommendations(measured) for text in each.numbers if "int8" in text)
    assert files.endswith(" and 0.55 MB")  # the same file everywhere


def test_accuracy_claims_are_judged_by_their_interval(counted):
    near, wide = (scored(counted, (0.884, 0.8), margin=margin) for margin in (0.0001, 0.05))

    assert verdicts(near)["v1-map"] == Verdict.HOLDS  # 90.8%
    assert verdicts(wide)["v1-map"] == Verdict.INCONCLUSIVE


def test_a_stopped_run_reports_the_rounds_that_were_measured(counted):
    stopped = timed(counted, 1.8, runs=100)
    reading = next(row for row in audit(stopped) if row.claim.id == "speed-up-onnxruntime").reading

    assert "20 alternating rounds" in reading.how
    assert "stopped before the 100 rounds planned" in reading.how
    assert study.record(stopped)["measured"]["latency"]["rounds"] == 20
    assert "20 rounds" in headlines(stopped)[2].values["v1"].source


CLAIM = """
[[claim]]
id = "x"
quote = "V1: 1"
where = "1"
low = 1.0
tolerance = 0.5
measurement = "parameters"
"""
SETTING = """
[[recipe]]
setting = "T=4"
where = "10"
"""


def test_a_claim_without_an_upper_end_is_at_least():
    (claim,), (setting,) = parse_claims(CLAIM + SETTING)

    assert (claim.high, claim.unit, claim.is_target) == (float("inf"), "", False)
    assert setting.setting == "T=4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(CLAIM + SETTING + CLAIM, "same id", id="id twice"),
        pytest.param(CLAIM + 'color = "red"' + SETTING, "color", id="unknown field"),
        pytest.param(CLAIM.replace("1.0", '"one"') + SETTING, "low", id="another type"),
        pytest.param(CLAIM.replace("tolerance = 0.5", "") + SETTING, "tolerance", id="missing field"),
        pytest.param(CLAIM + "high = 0.5" + SETTING, "below its start", id="empty range"),
        pytest.param(CLAIM.replace("parameters", "guess") + SETTING, "unknown measurement", id="measurement"),
        pytest.param("[[claim]", "cannot be read", id="not TOML"),
        pytest.param(CLAIM, "recipe", id="no settings"),
    ],
)
def test_claims_are_read_strictly(text, message):
    with pytest.raises(ClaimsError, match=message):
        parse_claims(text)


def test_every_measurement_is_used():
    assert {claim.measurement for claim in CLAIMS} == set(MEASUREMENTS)


def test_a_third_registered_network_changes_nothing(counted, networks, monkeypatch):
    monkeypatch.setitem(MODELS, "slim", replace(MODELS["v2"], key="slim"))
    more = {**networks, "slim": MODELS["v2"].builder()}
    measurements = study.measure(more, dict.fromkeys(more, "seeded"), None, {})

    assert list(measurements.models) == ["v1", "v2"]
    assert verdicts(measurements) == verdicts(counted)


def test_claims_have_names_of_their_own_and_places():
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    assert all(claim.where and claim.quote and claim.low <= claim.high for claim in CLAIMS)


def test_int8_is_never_below_a_byte_a_weight(networks):
    size = quantised_size(networks["v2"])

    assert size.weight_bytes + (size.scale_bytes + size.kept_bytes) // 4 > 256_156
    assert size.total_bytes < stored_bytes(networks["v2"])


def test_int8_is_at_most_half_a_step_away():
    weight = torch.randn(8, 4, 3, 3)
    weight[0] = 0
    values, scales = quantise_weight(weight)
    step = scales.reshape(-1, 1, 1, 1)

    assert (abs(values * step - weight.numpy()) <= 0.5001 * step).all()
    assert values.dtype == "int8"


def test_pruning_zeroes_the_smallest_weights_of_a_copy(networks):
    before = networks["v2"].body.stage1[0][0].weight.clone()
    smaller = pruned(networks["v2"], 0.2)
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    weights = torch.cat(
        [module.weight.flatten() for module in smaller.modules() if isinstance(module, kinds)]
    )

    assert (weights == 0).float().mean() == pytest.approx(0.2, abs=1e-3)
    assert smaller.state_dict().keys() == networks["v2"].state_dict().keys()
    assert torch.equal(before, networks["v2"].body.stage1[0][0].weight)


def test_the_radar_leaves_out_what_is_missing(counted):
    bare, full = radar(counted), radar(scored(timed(counted, 2), (0.8, 0.7)))

    assert [axis.name for axis in bare.missing] == ["Speed", "Accuracy", "Efficiency"]
    assert full.missing == ()
    axes = {axis.name: axis for axis in full.axes}
    assert axes["Speed"].scores == {"v1": pytest.approx(0.5), "v2": 1}
    assert axes["Accuracy"].scores["v1"] == pytest.approx((0.93 + 0.91 + 0.8) / 3)
    assert axes["Efficiency"].ratio == pytest.approx(2.82 * 2.54 / 2.64, rel=1e-3)


def test_headlines_carry_their_provenance(counted):
    bare = headlines(counted)
    full = headlines(scored(timed(counted, 2), (0.8, 0.7)))

    assert [row.change is None for row in bare] == [False, False, True, False, True]
    assert [round(row.change, 2) for row in full] == [-0.57, -0.65, -0.5, -0.56, -0.04]
    assert [{value.badge for value in row.values.values()} for row in full] == [
        {Badge.COUNTED},
        {Badge.COUNTED},
        {Badge.MEASURED},
        {Badge.COUNTED},
        {Badge.MEASURED},
    ]
    assert all(value.source for row in full for value in row.values.values())


EVERYDAY, VIDEO, ACCURACY = "First choice for everyday photos", "Real-time video", "Highest accuracy"


@pytest.mark.parametrize(
    ("ratio", "hard", "scenario", "support"),
    [
        pytest.param(2.0, (0.78, 0.75), EVERYDAY, Support.V2, id="faster for little"),
        pytest.param(2.0, (0.78, 0.50), EVERYDAY, Support.V1, id="faster for too much"),
        pytest.param(2.0, (0.70, 0.78), EVERYDAY, Support.V2, id="faster and more accurate"),
        pytest.param(1.0, (0.70, 0.78), EVERYDAY, Support.V2, id="more accurate, speed undecided"),
        pytest.param(0.5, (0.50, 0.78), EVERYDAY, Support.V2, id="much more accurate, slower"),
        pytest.param(0.5, (0.76, 0.79), EVERYDAY, Support.V1, id="little more accurate, slower"),
        pytest.param(1.0, (0.78, 0.70), EVERYDAY, Support.V1, id="less accurate, speed undecided"),
        pytest.param(1.0, (0.78, 0.78), EVERYDAY, Support.EITHER, id="nothing decided"),
        pytest.param(2.0, (0.78, 0.78), EVERYDAY, Support.V2, id="faster, accuracy undecided"),
        pytest.param(1.0, (0.78, 0.75), VIDEO, Support.EITHER, id="video, speed undecided"),
        pytest.param(0.8, (0.78, 0.78), VIDEO, Support.V1, id="video, slower"),
        pytest.param(0.8, (0.78, 0.78), ACCURACY, Support.EITHER, id="accuracy undecided"),
        pytest.param(0.8, (0.78, 0.75), ACCURACY, Support.V1, id="significant below the old limit of 0.01"),
        pytest.param(2.0, (0.78, 0.50), "Crowds and small faces", Support.V1, id="small faces"),
    ],
)
def test_recommendations_follow_the_numbers(counted, ratio, hard, scenario, support):
    found = {row.scenario: row for row in recommendations(scored(timed(counted, ratio), hard))}

    assert found[scenario].support == support
    assert found[scenario].numbers
    assert not re.search(r"-\d", found[scenario].text)  # no negative cost


def test_a_wide_interval_decides_nothing(counted):
    found = {
        row.scenario: row for row in recommendations(scored(timed(counted, 1), (0.78, 0.60), margin=0.5))
    }

    assert found[ACCURACY].support == found[EVERYDAY].support == Support.EITHER


def test_scores_of_different_protocols_are_never_compared(counted):
    apart = scored(timed(counted, 2), (0.78, 0.60), protocols=("original size", "640 x 640"))
    found = {row.scenario: row for row in recommendations(apart)}

    for scenario in (EVERYDAY, ACCURACY, "Crowds and small faces"):
        assert found[scenario].support == Support.OPEN
        assert "different protocols" in found[scenario].text
    assert {axis.name for axis in radar(apart).missing} == {"Accuracy", "Efficiency"}
    assert headlines(apart)[4].change is None
    assert verdicts(apart)["radar-efficiency"] == Verdict.NOT_MEASURED


def test_scores_without_a_paired_interval_decide_nothing(counted):
    unpaired = replace(scored(timed(counted, 2), (0.78, 0.60)), comparison=None)
    found = {row.scenario: row for row in recommendations(unpaired)}

    assert found[ACCURACY].support == Support.OPEN
    assert "evaluate --comparison" in found[ACCURACY].text
    assert verdicts(unpaired)["radar-efficiency"] is Verdict.INCONCLUSIVE


def test_a_score_without_an_interval_is_not_taken_as_exact(counted):
    measured = scored(counted, (0.92, 0.92))
    bare = {
        key: replace(model, accuracy=replace(model.accuracy, mean_interval=None))
        for key, model in measured.models.items()
    }
    rows = {row.claim.id: row for row in audit(replace(measured, models=bare))}

    for claim in ("v1-map", "target-map", "radar-accuracy-v1"):
        assert rows[claim].verdict is Verdict.INCONCLUSIVE
        assert rows[claim].text.endswith("There is no confidence interval.")


def test_a_scenario_that_the_comparison_lacks_says_so(counted):
    measured = scored(timed(counted, 2), (0.78, 0.60))
    measured = replace(measured, comparison=replace(measured.comparison, subsets={}))
    found = {row.scenario: row for row in recommendations(measured)}

    assert found["Crowds and small faces"].support == Support.OPEN
    assert found["Crowds and small faces"].text == (
        "The paired comparison of the models has no hard average precision."
    )


@pytest.mark.parametrize(
    ("hard", "support"),
    [
        pytest.param((0.78, 0.60), Support.V1, id="V1 ahead"),
        pytest.param((0.78, 0.78), Support.INCONCLUSIVE, id="accuracy undecided"),
    ],
)
def test_a_noisy_run_is_named_instead_of_equal_speed(counted, hard, support):
    measured = scored(timed(counted, 2, spread=0.4), hard)
    found = {row.scenario: row for row in recommendations(measured)}

    assert found[EVERYDAY].support == support
    assert "The latency run was noisy, so speed is not compared." in found[EVERYDAY].text
    assert found[EVERYDAY].numbers[1].endswith("(noisy run)")
    assert found[VIDEO].support == Support.INCONCLUSIVE
    assert "no significant difference in speed" not in found[EVERYDAY].text.lower()


@pytest.mark.parametrize(("hard", "words"), [((0.78, 0.75), "within"), ((0.78, 0.50), "more than")])
def test_the_limit_of_a_trade_is_named(counted, hard, words):
    found = {row.scenario: row for row in recommendations(scored(timed(counted, 2), hard))}

    assert f"{words} the 0.030 accepted for a faster model" in found[EVERYDAY].text


@pytest.mark.parametrize("used_for_selection", [True, False])
def test_scores_say_whether_their_images_chose_the_checkpoints(counted, used_for_selection):
    measured = scored(timed(counted, 2), (0.78, 0.60), used_for_selection=used_for_selection)
    found = {row.scenario: row for row in recommendations(measured)}
    target = next(row for row in audit(measured) if row.claim.id == "target-map")

    assert (SELECTION_NOTE in found[ACCURACY].text) == used_for_selection
    assert target.reading.how.endswith(SELECTION_REMARK) == used_for_selection
    assert study.record(measured)["measured"]["images_chose_checkpoints"] == used_for_selection


def test_recommendations_do_not_guess(counted):
    open_scenarios = {row.scenario for row in recommendations(counted) if row.support == Support.OPEN}

    assert open_scenarios == {
        "First choice for everyday photos",
        "Real-time video",
        "Highest accuracy",
        "Crowds and small faces",
    }


def test_the_summary_has_the_notebooks_fields(counted, networks, tmp_path):
    measurements = study.measure(networks, dict.fromkeys(networks, "seeded"), timed(counted, 2).latency, {})
    written = json.loads(study.write(measurements, tmp_path / "out").read_text())

    assert written["v1_parameters"] == 592_371
    assert written["v2_parameters"] == 256_156
    assert written["parameter_reduction"] == "56.8%"
    assert written["speed_improvement"] == "2.00x"
    assert written["v1_inference_time_ms"] == pytest.approx(2 * written["v2_inference_time_ms"])
    assert {"execution_date", "device"} <= written.keys()
    assert len(written["claims"]) == len(CLAIMS)
    assert written["measured"]["machine"]["processor"]
