from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from featherface.models import MODELS
from featherface.profiling.complexity import cost
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import now, this_machine
from featherface.profiling.pruning import PrunedScore, pruned, tolerated_fraction
from featherface.profiling.quantisation import quantise_weight, quantised_size, stored_bytes
from featherface.study import summary as study
from featherface.study.claims import CLAIMS, Claim, Reading, Verdict, audit
from featherface.study.headlines import headlines
from featherface.study.measurements import Accuracy, Measurements, ModelMeasurements
from featherface.study.provenance import Badge
from featherface.study.radar import radar
from featherface.study.recommendations import Support, recommendations

NOT_MEASURED = {
    "target-map",
    "radar-speed-v2",
    "radar-accuracy-v1",
    "v1-map",
    "radar-accuracy-v2",
    "radar-efficiency",
    "speed-up",
    "pruning",
}


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return {key: entry.builder().eval() for key, entry in MODELS.items()}


@pytest.fixture(scope="module")
def counted(networks) -> Measurements:
    """What can be known without timing or scoring."""
    models = {
        key: ModelMeasurements(cost(key, 640), stored_bytes(network), quantised_size(network), "seeded")
        for key, network in networks.items()
    }
    return Measurements(now(), this_machine(), models)


def timed(measurements: Measurements, ratio: float) -> Measurements:
    fast = [10.0 + 0.01 * number for number in range(20)]
    milliseconds = {
        "v1": {"network": tuple(ratio * time for time in fast)},
        "v2": {"network": tuple(fast)},
    }
    result = LatencyResult(LatencySettings(runs=20), this_machine(), now(), milliseconds, 1.0, True)
    return replace(measurements, latency=result)


def scored(measurements: Measurements, **hard: float) -> Measurements:
    models = {
        key: replace(
            model, accuracy=Accuracy(0.93, 0.91, hard[key], "as published", 3226, Badge.MEASURED, "test")
        )
        for key, model in measurements.models.items()
    }
    return replace(measurements, models=models)


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
    assert verdicts(timed(counted, ratio))["speed-up"] == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.6, 1.9, Verdict.HOLDS),
        (1.4, 1.9, Verdict.UNSETTLED),  # the interval reaches below the claim
        (1.3, 1.4, Verdict.OFF),
        (0.9, 1.1, Verdict.WRONG),
    ],
)
def test_verdicts_of_intervals(counted, monkeypatch, low, high, verdict):
    claim = Claim("x", "1.5 to 2", "", 1.5, 2, 0, "times", lambda _: Reading((low + high) / 2, low, high, ""))
    monkeypatch.setattr("featherface.study.claims.CLAIMS", (claim,))

    assert [row.verdict for row in audit(counted)] == [verdict]


def test_a_disturbed_measurement_settles_nothing(counted, monkeypatch):
    reading = Reading(3.0, 2.9, 3.1, "", caution="The run was noisy.")
    claim = Claim("x", "1.5 to 2", "", 1.5, 2, 0, "times", lambda _: reading)
    monkeypatch.setattr("featherface.study.claims.CLAIMS", (claim,))

    (row,) = audit(counted)
    assert row.verdict is Verdict.UNSETTLED
    assert row.text.endswith("The run was noisy.")


def test_accuracy_is_judged_once_it_is_scored(counted):
    judged = verdicts(scored(counted, v1=0.92, v2=0.92))

    assert judged["target-map"] == Verdict.HOLDS
    assert judged["v1-map"] == Verdict.OFF


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


def test_pruning_is_tolerated_up_to_the_first_loss():
    curve = [PrunedScore(0.0, 0.9), PrunedScore(0.1, 0.895), PrunedScore(0.2, 0.7), PrunedScore(0.3, 0.9)]

    assert tolerated_fraction(curve) == 0.1


def test_the_radar_leaves_out_what_is_missing(counted):
    bare, full = radar(counted), radar(scored(timed(counted, 2), v1=0.8, v2=0.7))

    assert [axis.name for axis in bare.missing] == ["Speed", "Accuracy", "Efficiency"]
    assert full.missing == ()
    axes = {axis.name: axis for axis in full.axes}
    assert axes["Speed"].scores == {"v1": pytest.approx(0.5), "v2": 1}
    assert axes["Accuracy"].scores["v1"] == pytest.approx((0.93 + 0.91 + 0.8) / 3)
    assert axes["Efficiency"].ratio == pytest.approx(2.82 * 2.54 / 2.64, rel=1e-3)


def test_headlines_carry_their_provenance(counted):
    bare = headlines(counted)
    full = headlines(scored(timed(counted, 2), v1=0.8, v2=0.7))

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


@pytest.mark.parametrize(
    ("ratio", "hard", "expected"),
    [
        (2.0, {"v1": 0.78, "v2": 0.75}, {"First choice for everyday photos": Support.V2}),
        (2.0, {"v1": 0.78, "v2": 0.50}, {"First choice for everyday photos": Support.V1}),
        (1.0, {"v1": 0.78, "v2": 0.75}, {"Real-time video": Support.EITHER}),
        (0.8, {"v1": 0.78, "v2": 0.78}, {"Real-time video": Support.V1, "Highest accuracy": Support.EITHER}),
        (2.0, {"v1": 0.78, "v2": 0.50}, {"Crowds and small faces": Support.V1}),
    ],
)
def test_recommendations_follow_the_numbers(counted, ratio, hard, expected):
    found = {row.scenario: row for row in recommendations(scored(timed(counted, ratio), **hard))}

    assert {scenario: found[scenario].support for scenario in expected} == expected
    assert all(found[scenario].numbers for scenario in expected)


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
