from __future__ import annotations

import pytest

from featherface.models import MODELS
from featherface.profiling.parameters import group_counts, parameter_tree, reductions


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("v1", {"Backbone": 213_072, "CBAM": 13_568, "BiFPN": 112_606, "SSH": 246_885, "Heads": 6_240}),
        ("v2", {"Backbone": 213_072, "CBAM": 6_600, "BiFPN": 26_068, "SSH": 7_248, "Heads": 3_168}),
    ],
)
def test_every_parameter_falls_into_one_of_the_studys_groups(key, expected):
    assert group_counts(key) == expected


def test_reductions_end_with_the_total():
    rows = {row.group: row for row in reductions("v1", "v2")}

    assert (rows["Total"].first, rows["Total"].second) == (592_371, 256_156)
    assert rows["Total"].reduction == pytest.approx(0.5676, abs=5e-5)
    assert rows["Backbone"].reduction == 0


@pytest.mark.parametrize("key", MODELS)
def test_every_module_of_the_tree_holds_the_sum_of_its_children(key):
    nodes = parameter_tree(key)
    children: dict[str, int] = {}
    for node in nodes[1:]:
        children[node.parent] = children.get(node.parent, 0) + node.parameters

    assert len({node.path for node in nodes}) == len(nodes)
    assert {node.path: node.parameters for node in nodes if node.kind != "parameter"} == children
