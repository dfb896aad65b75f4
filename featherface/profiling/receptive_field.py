"""The receptive field of each pyramid level, measured on the network itself.

NaN spreads to everything computed from it, so a cell's receptive field is the span of pixels that turn the
cell into NaN when they are NaN. That takes seconds, so the receptive fields are stored; see `stored_counts`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from featherface.config import ANCHOR_SIZES, MIN_INPUT_SIZE, STRIDES
from featherface.models import MODELS, FaceNetwork, ModelEntry
from featherface.models.deformable import has_deformable_convolutions
from featherface.profiling.machine import torch_threads
from featherface.profiling.stored_counts import stored_counts

__all__ = ["ReceptiveField", "measure_receptive_fields", "receptive_fields"]

_WIDTH = 2304  # pixels of a strip; wider than any receptive field here
_START = 64  # pixels set to NaN at least
_SHIFTS = STRIDES[-1]  # receptive fields repeat every 32 pixels


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of one level through convolutions and pooling: the side of a square in pixels.

    Channel attention sees the whole image and is left out. Deformable convolutions can reach further than
    their regular grid; `at_least` marks that. Where coarser levels are upsampled into a level, its cells
    differ; the widest counts.
    """

    level: str
    stride: int  # pixels between neighbouring cells
    backbone: int  # pixels seen by the backbone's cell
    pixels: int  # pixels seen by the cell that the heads use
    at_least: bool  # of `pixels`; no backbone has deformable convolutions
    anchors: tuple[int, ...]  # sides of the level's anchors in pixels


@lru_cache(maxsize=8)
def receptive_fields(key: str) -> tuple[ReceptiveField, ...]:
    """Return the receptive field of each level of a model; takes seconds where nothing is stored."""
    stored = stored_counts(key)
    if stored is None:
        return measure_receptive_fields(key)
    return tuple(
        ReceptiveField(**{**field, "anchors": tuple(field["anchors"])})
        for field in stored["receptive_fields"]
    )


def measure_receptive_fields(key: str) -> tuple[ReceptiveField, ...]:
    """Measure the receptive field of each level of a model, without a look at what is stored."""
    network = _without_channel_gates(MODELS[key])
    at_least = has_deformable_convolutions(network)
    with torch_threads(1):  # small maps: a second thread would not help
        backbone, pyramid = _spans(network.body), _spans(network.pyramid)
    return tuple(
        ReceptiveField(f"P{number}", stride, backbone[stride], pyramid[stride], at_least, sizes)
        for number, (stride, sizes) in enumerate(zip(STRIDES, ANCHOR_SIZES, strict=True), start=3)
    )


def _without_channel_gates(entry: ModelEntry) -> FaceNetwork:
    """Build the network with modules that see the whole image replaced by the identity."""
    network = entry.builder().eval()
    for module in network.modules():
        if isinstance(module, entry.whole_image):
            module.register_forward_hook(lambda _, inputs, __: inputs[0])
    return network


_Levels = Callable[[Tensor], tuple[Tensor, ...]]


def _spans(levels: _Levels) -> dict[int, int]:
    """Return the widest receptive field, in pixels, of the level of each stride."""
    lefts = _edges(levels, lambda shift: slice(0, _START + shift), lambda shift: _START + shift - 1)
    rights = _edges(
        levels, lambda shift: slice(_WIDTH - _START - shift, None), lambda shift: _WIDTH - _START - shift
    )
    return {
        stride: max(rights[stride][kind] - lefts[stride][kind] + 1 for kind in lefts[stride])
        for stride in STRIDES
    }


def _edges(
    levels: _Levels, nan_columns: Callable[[int], slice], column: Callable[[int], int]
) -> dict[int, dict[int, int]]:
    """Return the first or last pixel seen by each kind of cell, relative to the cell, by stride.

    With one more column of NaN, those cells become NaN whose receptive field ends there.
    """
    before = _nan_cells(levels, nan_columns(0))
    edges: dict[int, dict[int, int]] = {stride: {} for stride in STRIDES}
    for shift in range(1, _SHIFTS + 1):
        cells = _nan_cells(levels, nan_columns(shift))
        for stride, now, earlier in zip(STRIDES, cells, before, strict=True):
            for cell in (now & ~earlier).nonzero().flatten().tolist():
                edges[stride][cell % (STRIDES[-1] // stride)] = column(shift) - cell * stride
        before = cells
    return edges


def _nan_cells(levels: _Levels, columns: slice) -> list[Tensor]:
    """Return which columns of cells, (W / stride,) bool per level, are NaN if the pixel `columns` are."""
    pixels = torch.zeros(1, 3, MIN_INPUT_SIZE, _WIDTH)
    pixels[..., columns] = torch.nan
    with torch.inference_mode():
        return [level.isnan().flatten(0, 2).any(dim=0) for level in levels(pixels)]
