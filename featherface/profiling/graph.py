"""The networks as graphs of their stages, traced through a forward pass, for diagrams."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from featherface.config import STRIDES
from featherface.models import MODELS
from featherface.profiling.layers import check_size, layer_table
from featherface.profiling.parameters import network_on_meta, total

__all__ = ["INPUT", "OUTPUT", "Edge", "FeatureMap", "NetworkGraph", "Stage", "network_graph"]

INPUT, OUTPUT = "input", "output"
_STRIDES = (1, 2, 4, *STRIDES)


@dataclass(frozen=True)
class FeatureMap:
    """The shape of one tensor between stages; `stride` is the side of a cell in pixels."""

    channels: int
    height: int
    width: int
    stride: int


@dataclass(frozen=True)
class Stage:
    """A box of the diagram: a backbone stage, an attention, a BiFPN cell, a context module or a head."""

    path: str  # dotted module path, "input" or "output"
    name: str  # for people
    kind: str  # class of the module
    group: str
    column: int  # stages on the longest path from the input
    maps: tuple[FeatureMap, ...]  # what comes out, fine to coarse
    parameters: int
    macs: int


@dataclass(frozen=True)
class Edge:
    """A tensor that flows from one stage to another."""

    source: str
    target: str
    map: FeatureMap


@dataclass(frozen=True)
class NetworkGraph:
    """Stages in the order of the forward pass, input first, and the tensors between them."""

    stages: tuple[Stage, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, eq=False)
class _Run:
    path: str
    module: nn.Module
    inputs: list[Tensor]
    outputs: list[Tensor]


@lru_cache(maxsize=32)
def network_graph(key: str, height: int, width: int) -> NetworkGraph:
    """Return a model's graph at an input size. Raises InputSizeError."""
    check_size(height, width)
    entry = MODELS[key]
    pixels = torch.zeros(1, 3, height, width, device="meta")
    runs = _runs(network_on_meta(entry), entry.names.opened, pixels)
    table = layer_table(key, height, width)
    stages = [Stage(INPUT, "Photo", "image", "", 0, (_map(pixels, height),), 0, 0)]
    stages += [
        Stage(
            path=run.path,
            name=entry.names.diagram_name_of(run.path),
            kind=type(run.module).__name__,
            group=entry.names.group_of(run.path),
            column=0,
            maps=tuple(_map(tensor, height) for tensor in run.outputs),
            parameters=total(run.module),
            macs=sum(layer.macs for layer in table if f"{layer.name}.".startswith(f"{run.path}.")),
        )
        for run in runs
    ]
    edges = list(_edges(runs, pixels))
    sources = {edge.source for edge in edges}
    ends = [stage for stage in stages if stage.path not in sources]
    edges += [Edge(stage.path, OUTPUT, found) for stage in ends for found in stage.maps]
    stages.append(Stage(OUTPUT, "Boxes, scores, landmarks", "outputs", "", 0, (), 0, 0))
    return NetworkGraph(_in_columns(stages, edges), tuple(edges))


def _runs(network: nn.Module, opened: Collection[str], pixels: Tensor) -> list[_Run]:
    runs: list[_Run] = []

    def listen(path: str, module: nn.Module) -> None:
        module.register_forward_hook(
            lambda module, inputs, output: runs.append(_Run(path, module, _tensors(inputs), _tensors(output)))
        )

    for path, module in _stations(network, opened):
        listen(path, module)
    with torch.no_grad():
        network(pixels)
    return runs


def _stations(network: nn.Module, opened: Collection[str]) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_children():
        if name in opened or isinstance(module, nn.ModuleList):
            for inner, child in module.named_children():
                yield f"{name}.{inner}", child
        else:
            yield name, module


def _edges(runs: list[_Run], pixels: Tensor) -> Iterator[Edge]:
    """Follow each tensor, identified as an object, from the stage that made it."""
    makers = {id(pixels): INPUT}
    for run in runs:
        for tensor in run.inputs:
            yield Edge(makers[id(tensor)], run.path, _map(tensor, pixels.shape[-2]))
        makers.update((id(tensor), run.path) for tensor in run.outputs)


def _in_columns(stages: list[Stage], edges: list[Edge]) -> tuple[Stage, ...]:
    columns = {INPUT: 0}
    for stage in stages[1:]:  # in running order, so that sources come first
        sources = [edge.source for edge in edges if edge.target == stage.path]
        columns[stage.path] = 1 + max(columns[source] for source in sources)
    return tuple(replace(stage, column=columns[stage.path]) for stage in stages)


def _tensors(values: object) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _map(tensor: Tensor, input_height: int) -> FeatureMap:
    _, channels, height, width = tensor.shape
    stride = next(stride for stride in _STRIDES if -(-input_height // stride) == height)
    return FeatureMap(channels, height, width, stride)
