from __future__ import annotations

import pytest

from featherface.models import MODELS
from featherface.profiling.complexity import cost
from featherface.profiling.graph import FeatureMap, network_graph
from featherface.profiling.receptive_field import measure_receptive_fields, receptive_fields


@pytest.mark.parametrize("key", MODELS)
def test_the_stations_make_up_the_network(key):
    graph, counted = network_graph(key, 640, 640), cost(key, 640)

    assert sum(stage.parameters for stage in graph.stages) == counted.parameters
    assert sum(stage.macs for stage in graph.stages) == counted.macs


@pytest.mark.parametrize("key", MODELS)
def test_every_station_lies_on_a_way_from_input_to_output(key):
    graph = network_graph(key, 97, 33)
    columns = {stage.path: stage.column for stage in graph.stages}

    assert {edge.target for edge in graph.edges} == columns.keys() - {"input"}
    assert {edge.source for edge in graph.edges} == columns.keys() - {"output"}
    assert all(columns[edge.source] < columns[edge.target] for edge in graph.edges)


def test_what_flows_between_the_parts_of_v2():
    edges = {(edge.source, edge.target): edge.map for edge in network_graph("v2", 640, 480).edges}

    assert edges["body.stage3", "backbone_cbam_manager"] == FeatureMap(256, 20, 15, 32)
    assert edges["ssh1", "ssh1_cs"] == FeatureMap(32, 80, 60, 8)
    assert ("bifpn.0", "bifpn.1") in edges
    assert ("body.stage1", "body.stage2") in edges


def test_receptive_fields_of_the_backbone_by_the_formula():
    fields = receptive_fields("v2")

    # each layer adds (kernel - 1) x the stride so far: stage1 43, stage2 + 16 + 5 x 32, stage3 + 32 + 64
    assert [field.backbone for field in fields] == [43, 219, 315]
    assert all(field.pixels > field.backbone for field in fields)
    assert not fields[0].at_least


@pytest.mark.parametrize("key", MODELS)
def test_the_stored_receptive_fields_are_those_that_measuring_gives(key):
    """After a change to a network: python -m featherface.profiling.count_again."""
    assert receptive_fields(key) == measure_receptive_fields(key)
