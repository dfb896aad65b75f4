"""Counts at 640 pixels, the study's size, where the size does not matter: each is counted once."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from featherface.models import MODELS
from featherface.models.v2 import FeatherFaceV2, V2Config
from featherface.profiling import complexity
from featherface.profiling.activation_memory import peak_memory
from featherface.profiling.complexity import (
    SWEEP_INPUT_SIZES,
    VGA,
    cost,
    count_cost,
    flops_report,
    group_costs,
    sweep,
)
from featherface.profiling.layers import InputSizeError, align, layer_table
from featherface.profiling.operators import CounterName, MissingCounterError, count_all, study_macs
from featherface.profiling.parameters import group_counts
from featherface.profiling.roofline import reached_gflops
from featherface.profiling.stored_counts import architecture_hash, stored_counts


@pytest.mark.parametrize(
    ("key", "macs", "thop_macs", "thop_parameters", "folded_macs"),
    [
        # thop's own figures from thop 0.1.1.post2209072238, the package that the study installs
        ("v1", 1_302_902_976, 1_012_598_976, 488_661, 1_243_802_176),
        ("v2", 462_027_200, 462_027_200, 256_136, 410_568_000),
    ],
)
def test_the_counters_agree_with_each_other_and_with_the_study(
    key, macs, thop_macs, thop_parameters, folded_macs
):
    counted = cost(key, 640)
    by = {count.counter: count for count in counted.counts}

    assert counted.macs == by[CounterName.THOP_WITH_RULE].macs == macs
    assert by[CounterName.THOP_AS_IN_STUDY].macs == thop_macs
    assert by[CounterName.THOP_AS_IN_STUDY].parameters == thop_parameters
    assert counted.folded_macs == by[CounterName.FLOP_COUNTER].macs == folded_macs


def test_the_study_misses_the_deformable_convolutions():
    missing = {row.operator: row for row in cost("v1", 640).count(CounterName.THOP_AS_IN_STUDY).uncounted}

    cells = 80**2 + 40**2 + 20**2
    assert missing["bmm"].operations == 2 * 34_560 * cells


@pytest.mark.parametrize("key", MODELS)
def test_every_operator_of_the_networks_has_a_rule(key):
    for count in count_all(key, 640, 640):
        assert [row for row in count.uncounted if row.text == "unknown"] == []


@pytest.mark.parametrize("key", MODELS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (97, 201)])
def test_the_layer_table_holds_every_parameter_once(key, height, width):
    groups = group_costs(layer_table(key, height, width))

    assert {group.group: group.parameters for group in groups} == group_counts(key)


@pytest.mark.parametrize("key", MODELS)
def test_layer_shapes_are_those_of_a_real_run(key):
    network = MODELS[key].builder().eval()
    shapes = set()

    def note(module, inputs, output):
        if isinstance(output, torch.Tensor):
            shapes.add((id(module), tuple(output.shape)))

    for module in network.modules():
        module.register_forward_hook(note)
    with torch.inference_mode():
        network(torch.zeros(1, 3, 64, 97))

    rows = [layer for layer in layer_table(key, 64, 97) if layer.output_shape]
    assert {(id(network.get_submodule(layer.name)), layer.output_shape) for layer in rows} <= shapes


def test_layers_of_both_models_align_by_role():
    first, second = layer_table("v1", 640, 640), layer_table("v2", 640, 640)
    rows = align(first, second)
    both = [row for row in rows if row.first and row.second]

    assert sum(row.first is not None for row in rows) == len(first)
    assert sum(row.second is not None for row in rows) == len(second)
    assert all(row.first.group == row.second.group for row in both)
    assert all(not row.differs for row in rows if row.group == "Backbone")
    # every context convolution of V1 has its grouped counterpart
    assert sum(row.first.kind == "ModulatedDeformableConv2d" for row in both) == 15


def test_peak_memory_holds_at_least_the_largest_layer():
    for key in MODELS:
        largest = max(layer.activation_bytes for layer in layer_table(key, 640, 640))
        assert peak_memory(key, 640, 640).peak_bytes >= largest + 4 * 3 * 640 * 640


def test_flops_report_names_what_is_not_counted():
    report = flops_report(("v1", "v2"), 640)

    assert report["v1"]["macs"] > report["v1"]["thop_macs"]
    assert "grid_sampler_2d" in {row["operator"] for row in report["v1"]["uncounted"]}


@pytest.mark.parametrize("key", MODELS)
def test_the_stored_costs_are_those_that_counting_gives(key):
    """After a change to a network or a rule: python -m featherface.profiling.count_again."""
    for size in ((160, 160), (640, 640), VGA):
        assert cost(key, *size) == count_cost(key, *size)
    assert cost(key, 640).study_macs == stored_counts(key)["study_macs"] == study_macs(key, 640, 640)


@pytest.mark.parametrize("key", MODELS)
def test_the_sweep_is_stored_and_grows_with_the_area(key, monkeypatch):
    """All but the channel gates' linear layers, which do not depend on the size."""
    gates = sum(layer.macs for layer in layer_table(key, 640, 640) if layer.kind == "Linear")
    monkeypatch.setattr(complexity, "count_cost", None)

    found = sweep(key)

    assert cost(key, *VGA).macs > 0
    assert [one.input_size for one in found] == list(SWEEP_INPUT_SIZES)
    per_pixel = [(one.macs - gates) / one.input_size**2 for one in found]
    assert per_pixel == pytest.approx([per_pixel[0]] * len(found), rel=1e-9)
    memory = [one.peak_bytes / one.input_size**2 for one in found]
    assert memory == pytest.approx([memory[-1]] * len(found), rel=0.05)


def v2_with_one_cell() -> FeatherFaceV2:
    return FeatherFaceV2(V2Config(bifpn_cells=1))


def v2_with_another_stride() -> FeatherFaceV2:
    network = FeatherFaceV2()
    network.body.stage1[0][0].stride = (1, 1)
    return network


@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(v2_with_one_cell, id="fewer tensors"),
        pytest.param(v2_with_another_stride, id="same tensors, another stride"),
    ],
)
def test_the_costs_of_another_architecture_are_counted(monkeypatch, builder):
    monkeypatch.setitem(MODELS, "other", replace(MODELS["v2"], key="other", builder=builder))

    assert architecture_hash("other") != architecture_hash("v2")
    assert cost("other", 640) == count_cost("other", 640, 640)
    assert cost("other", 640).macs != cost("v2", 640).macs


def test_a_missing_counter_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "thop", None)
    with pytest.raises(MissingCounterError, match=r"thop is not installed; install it with: .*\.\[study\]"):
        cost("v2", 32).counts  # noqa: B018


@pytest.mark.parametrize("key", MODELS)
def test_the_roofline_counts_the_network_that_is_timed(key):
    """Compiled networks have their batch norms folded, so these are neither FLOPs nor bytes."""
    counted = cost(key, 640)
    folded = [layer for layer in layer_table(key, 640, 640) if layer.kind != "BatchNorm2d"]

    assert counted.folded_flops == 2 * sum(layer.macs for layer in folded) < counted.flops
    assert counted.folded_intensity == counted.folded_flops / sum(layer.bytes_moved for layer in folded)
    assert reached_gflops(counted, 10.0) == pytest.approx(counted.folded_flops / 10.0e-3 / 1e9)


@pytest.mark.parametrize("key", MODELS)
def test_batch_norm_costs_the_same_in_the_layer_table_and_among_operators(key):
    """What the counter that folds batch norm leaves out is the difference between the two totals."""
    counted = cost(key, 640)
    (left_out,) = [
        row
        for row in counted.count(CounterName.FLOP_COUNTER).uncounted
        if row.operator == "native_batch_norm"
    ]

    assert left_out.operations == counted.flops - counted.folded_flops


def test_too_small_an_input_is_refused():
    with pytest.raises(InputSizeError, match="31 x 640"):
        cost("v1", 640, 31)
