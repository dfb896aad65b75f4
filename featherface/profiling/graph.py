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

__all__ = ["INPUT", "OUTPUT", "Edge", "FeatureMap", "NetworkGraph", "Station", "network_graph"]

INPUT, OUTPUT = "input", "output"
_STRIDES = (1, 2, 4, *STRIDES)


@dataclass(frozen=True)
class FeatureMap:
    """The shape of one tensor between stations; `stride` is the side of a cell in pixels."""

    channels: int
    height: int
    width: int
    stride: int


@dataclass(frozen=True)
class Station:
    """A box of the diagram: a backbone stage, an attention, a BiFPN cell, a context module or a head."""

    path: str  # dotted module path, "input" or "output"
    name: str  # for people
    kind: str  # class of the module
    group: str
    column: int  # stations on the longest path from the input
    maps: tuple[FeatureMap, ...]  # what comes out, fine to coarse
    parameters: int
    macs: int


@dataclass(frozen=True)
class Edge:
    """A tensor that flows from one station to another."""

    source: str
    target: str
    map: FeatureMap


@dataclass(frozen=True)
class NetworkGraph:
    """Stations in the order of the forward pass, input first, and the tensors between them."""

    stations: tuple[Station, ...]
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
    stations = [Station(INPUT, "Photo", "image", "", 0, (_map(pixels, height),), 0, 0)]
    stations += [
        Station(
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
    ends = [station for station in stations if station.path not in sources]
    edges += [Edge(station.path, OUTPUT, found) for station in ends for found in station.maps]
    stations.append(Station(OUTPUT, "Boxes, scores, landmarks", "outputs", "", 0, (), 0, 0))
    return NetworkGraph(_in_columns(stations, edges), tuple(edges))


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
    """Follow each tensor, identified as an object, from the station that made it."""
    makers = {id(pixels): INPUT}
    for run in runs:
        for tensor in run.inputs:
            yield Edge(makers[id(tensor)], run.path, _map(tensor, pixels.shape[-2]))
        makers.update((id(tensor), run.path) for tensor in run.outputs)


def _in_columns(stations: list[Station], edges: list[Edge]) -> tuple[Station, ...]:
    columns = {INPUT: 0}
    for station in stations[1:]:  # in running order, so that sources come first
        sources = [edge.source for edge in edges if edge.target == station.path]
        columns[station.path] = 1 + max(columns[source] for source in sources)
    return tuple(replace(station, column=columns[station.path]) for station in stations)


def _tensors(values: object) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _map(tensor: Tensor, input_height: int) -> FeatureMap:
    _, channels, height, width = tensor.shape
    stride = next(stride for stride in _STRIDES if -(-input_height // stride) == height)
    return FeatureMap(channels, height, width, stride)
