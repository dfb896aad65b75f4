"""Learned parameters by group, by module and by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from featherface.models import MODELS, ModelEntry

__all__ = [
    "GroupReduction",
    "ParameterNode",
    "group_counts",
    "network_on_meta",
    "parameter_tree",
    "reductions",
    "total",
]

TOTAL = "Total"


@dataclass(frozen=True)
class GroupReduction:
    """Parameters of one group in two models; `reduction` is 1 - second / first, None where first has none."""

    group: str
    first: int
    second: int

    @property
    def reduction(self) -> float | None:
        """Return the share of the first model's parameters that the second saves; negative if it has more."""
        return 1 - self.second / self.first if self.first else None


@dataclass(frozen=True)
class ParameterNode:
    """One module or tensor of the tree that a treemap or sunburst shows."""

    path: str  # dotted module path; "" is the whole network
    parent: str | None
    label: str
    kind: str  # the module's class, or "parameter"
    shape: tuple[int, ...]  # of a tensor; () for a module
    parameters: int  # of everything below
    group: str


def network_on_meta(entry: ModelEntry) -> nn.Module:
    """Build the network in evaluation mode with shapes but no values, which is enough to count."""
    with torch.device("meta"):
        return entry.builder().eval()


def total(network: nn.Module) -> int:
    """Return the number of learned values; a shared tensor counts once."""
    return sum(parameter.numel() for parameter in network.parameters())


def group_counts(key: str) -> Mapping[str, int]:
    """Return the parameters of each group in the order of the data flow, then "Other" if it has any."""
    entry = MODELS[key]
    counts = dict.fromkeys(entry.names.groups, 0)
    for name, parameter in network_on_meta(entry).named_parameters():
        group = entry.names.group_of(name)
        counts[group] = counts.get(group, 0) + parameter.numel()
    return counts


def reductions(first: str, second: str) -> tuple[GroupReduction, ...]:
    """Return the parameters of two models by group, in the order of the data flow, and in total."""
    counts, others = group_counts(first), group_counts(second)
    groups = dict.fromkeys((*counts, *others))
    rows = [GroupReduction(group, counts.get(group, 0), others.get(group, 0)) for group in groups]
    return (*rows, GroupReduction(TOTAL, sum(counts.values()), sum(others.values())))


def parameter_tree(key: str) -> tuple[ParameterNode, ...]:
    """Return every module that holds parameters and every tensor, parents before children."""
    entry = MODELS[key]
    network = network_on_meta(entry)
    nodes = [ParameterNode("", None, entry.name, type(network).__name__, (), total(network), TOTAL)]
    for path, module in network.named_modules():
        if path and total(module):
            nodes.append(_node(path, type(module).__name__, (), total(module), entry))
        for name, tensor in module.named_parameters(recurse=False):
            tensor_path = f"{path}.{name}".lstrip(".")
            nodes.append(_node(tensor_path, "parameter", tuple(tensor.shape), tensor.numel(), entry))
    return tuple(nodes)


def _node(path: str, kind: str, shape: tuple[int, ...], parameters: int, entry: ModelEntry) -> ParameterNode:
    parent, _, label = path.rpartition(".")
    return ParameterNode(path, parent, label, kind, shape, parameters, entry.names.group_of(path))
