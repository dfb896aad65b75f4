"""Counted numbers as tables: the right columns, units and totals, for any number of models."""

from __future__ import annotations

import pandas as pd
import pytest

from featherface.models import MODELS
from featherface.profiling.complexity import SizeCost, cost
from featherface.profiling.graph import network_graph
from featherface.profiling.layers import align, layer_table
from featherface.profiling.operators import CounterName
from featherface.profiling.parameters import reductions
from featherface.profiling.roofline import MachinePeak
from featherface.reporting import tables
from tests.third_model import register_third_model

SIZE = 64


@pytest.fixture(scope="module")
def costs():
    return {key: cost(key, SIZE) for key in ("v1", "v2")}


def test_groups_add_up_to_the_models_and_reductions_are_in_percent():
    table = tables.parameter_group_table(reductions("v1", "v2"), "v1", "v2")
    *groups, total = table[["V1 parameters", "V2 parameters"]].to_numpy().tolist()
    assert [sum(column) for column in zip(*groups, strict=True)] == total == [592_371, 256_156]
    heads = table.set_index("Group").loc["Heads"]
    assert heads["Reduction (%)"] == pytest.approx(100 * (1 - 3_168 / 6_240))


def test_layers_of_two_models_share_rows_and_their_shares_add_up():
    rows = align(*(layer_table(key, SIZE, SIZE) for key in ("v1", "v2")))
    table = tables.aligned_layer_table(rows, "v1", "v2")
    assert table["V1 parameters"].sum() == 592_371
    assert [table[f"{name} share of MACs (%)"].sum() for name in ("V1", "V2")] == pytest.approx([100, 100])
    assert table["V2 parameters"].isna().any()  # a layer of V1 alone has an empty cell, not 0


def test_flops_are_two_per_mac(costs):
    macs, flops = (tables.group_cost_table(costs, unit) for unit in ("MACs", "FLOPs"))
    assert (flops["FLOPs"] == 2 * macs["MACs"]).all()
    assert macs.groupby("Model")["MACs"].sum().tolist() == [found.macs for found in costs.values()]


def test_flops_per_byte_is_the_quotient_of_the_columns_beside_it(costs):
    table = tables.group_cost_table(costs, "FLOPs")
    table = table[table["Bytes moved"] > 0]
    quotients = table["FLOPs"] / table["Bytes moved"]
    assert table["FLOPs per byte"].tolist() == pytest.approx(quotients.tolist())


def test_the_costliest_role_comes_first():
    layers = tables.layer_costs({key: layer_table(key, SIZE, SIZE) for key in ("v1", "v2")}, "MACs")
    assert layers["MACs"].is_monotonic_decreasing
    wide = tables.costliest(layers, "MACs", 3)
    assert (len(wide), wide.max(axis=1).is_monotonic_decreasing) == (3, True)


def test_memory_is_in_units_of_a_million_bytes():
    table = tables.sweep_table({"v1": [SizeCost(640, 10**9, 26_214_400)]}, "MACs")
    assert table.to_dict("records") == [
        {
            "Model": "FeatherFace V1",
            "Input size (px)": 640,
            "MACs": 10**9,
            "Peak activation memory (MB)": pytest.approx(26.2144),
        }
    ]


def test_the_roofline_bounds_what_was_achieved(costs, machine, timed):
    peak = MachinePeak(100.0, 10.0, "2026-01-02T03:04:05+00:00", machine)
    table = tables.roofline_table(costs, peak, timed(SIZE, v1=60.0, v2=20.0))
    whole = table[table["Part"].str.endswith("whole network")]
    assert whole["Measured (ms)"].tolist() == pytest.approx([60, 20])
    achieved = [found.folded_flops / ms / 1e6 for found, ms in zip(costs.values(), (60, 20), strict=True)]
    assert whole["Achieved (GFLOPS)"].tolist() == pytest.approx(achieved)
    assert (table["Attainable (GFLOPS)"] <= 100).all()
    assert "Achieved (GFLOPS)" not in tables.roofline_table(costs, peak, None)


def test_the_counters_columns_are_named_after_the_models(costs):
    table = tables.counter_table(costs)
    assert list(table) == ["Counter", "V1 MACs", "V1 parameters", "V2 MACs", "V2 parameters"]
    left_out = tables.uncounted_table(costs["v1"].count(CounterName.THOP_AS_IN_STUDY))
    assert left_out["FLOPs"].is_monotonic_decreasing
    assert (left_out["FLOPs"] > 0).all()


def test_a_third_model_has_its_columns_and_rows(monkeypatch):
    third = register_third_model(monkeypatch)
    levels = tables.level_table({key: network_graph(key, SIZE, SIZE) for key in MODELS}, SIZE, SIZE)
    assert levels[f"{third.short_name} channels"].notna().all()
    assert levels["Anchors"].sum() == 2 * (8 * 8 + 4 * 4 + 2 * 2)
    found = tables.group_cost_table({third.key: cost(third.key, SIZE)}, "MACs")
    assert isinstance(found, pd.DataFrame)
    assert found["Share (%)"].sum() == pytest.approx(100)
