"""What part of the picture a cell of each level sees, found on the network itself.

A value that is not a number spoils whatever is computed from it: a cell's receptive field is the span of
pixels that, set to NaN, turn the cell into NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from featherface.config import ANCHOR_SIZES, MIN_SIDE, STRIDES
from featherface.models import MODELS, FaceNetwork, ModelEntry
from featherface.models.deformable import ModulatedDeformableConv2d
from featherface.profiling.machine import torch_threads

__all__ = ["ReceptiveField", "receptive_fields"]

_WIDTH = 2304  # pixels of a strip wide enough that no receptive field looked at reaches past its other end
_START = 64  # pixels spoilt at the least
_SHIFTS = STRIDES[-1]  # the fields repeat every 32 pixels, so that each kind of cell ends once in as many


@dataclass(frozen=True)
class ReceptiveField:
    """What a cell of one level sees through convolutions and pooling: the side of a square in pixels.

    The channel gates of CBAM look at the whole picture, so that a cell knows a little of everything; they are
    left out here. Deformable convolutions may reach further than their untrained grid: `at_least` says so.
    Cells of a level differ where coarser levels are enlarged into it; the widest counts.
    """

    level: str
    stride: int  # pixels between neighbouring cells
    backbone: int  # pixels seen by the backbone's cell
    pixels: int  # pixels seen by the cell that the heads read
    at_least: bool  # of `pixels`; the backbone has no deformable convolutions
    anchors: tuple[int, ...]  # sides of the level's anchors in pixels, to compare


@lru_cache(maxsize=8)
def receptive_fields(key: str) -> tuple[ReceptiveField, ...]:
    """Find the receptive field of each level of a model; takes seconds."""
    network = _without_channel_gates(MODELS[key])
    at_least = any(isinstance(module, ModulatedDeformableConv2d) for module in network.modules())
    with torch_threads(1):  # small maps; a second thread would mostly wait
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
    """The widest receptive field in pixels of the level of each stride."""
    lefts = _edges(levels, lambda shift: slice(0, _START + shift), lambda shift: _START + shift - 1)
    rights = _edges(
        levels, lambda shift: slice(_WIDTH - _START - shift, None), lambda shift: _WIDTH - _START - shift
    )
    return {
        stride: max(rights[stride][kind] - lefts[stride][kind] + 1 for kind in lefts[stride])
        for stride in STRIDES
    }


def _edges(
    levels: _Levels, spoilt: Callable[[int], slice], column: Callable[[int], int]
) -> dict[int, dict[int, int]]:
    """The first or last pixel seen by each kind of cell, relative to the cell, by stride.

    Growing the spoilt part of the strip by one column turns those cells into NaN whose field ends there.
    """
    before = _spoilt_cells(levels, spoilt(0))
    edges: dict[int, dict[int, int]] = {stride: {} for stride in STRIDES}
    for shift in range(1, _SHIFTS + 1):
        cells = _spoilt_cells(levels, spoilt(shift))
        for stride, now, earlier in zip(STRIDES, cells, before, strict=True):
            for cell in (now & ~earlier).nonzero().flatten().tolist():
                edges[stride][cell % (STRIDES[-1] // stride)] = column(shift) - cell * stride
        before = cells
    return edges


def _spoilt_cells(levels: _Levels, columns: slice) -> list[Tensor]:
    """Which columns of cells, (W / stride,) bool for each level, `columns` of NaN spoil."""
    pixels = torch.zeros(1, 3, MIN_SIDE, _WIDTH)
    pixels[..., columns] = torch.nan
    with torch.inference_mode():
        return [level.isnan().flatten(0, 2).any(dim=0) for level in levels(pixels)]
