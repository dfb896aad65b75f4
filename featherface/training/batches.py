"""Batches of training pictures, loaded ahead by worker processes in an order that a resumed run repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from featherface.config import PIXEL_MEAN_BGR
from featherface.training.samples import Sample

__all__ = ["Batch", "batches", "network_input"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures of one size with their faces.

    pixels (N, 3, S, S) uint8 BGR; per picture `boxes` (F, 4) float32 in pixels, `landmarks` (F, 5, 2)
    float32 in pixels, NaN where unknown, and `weights` (F,) float32 in 0..1, how much a face counts in the
    loss; `complete` (N,) bool, True where every face is labelled.
    """

    pixels: Tensor
    boxes: list[Tensor]
    landmarks: list[Tensor]
    weights: list[Tensor]
    complete: Tensor

    def to(self, device: torch.device) -> Batch:
        """Move everything to `device`."""
        return Batch(
            self.pixels.to(device, non_blocking=True),
            [boxes.to(device) for boxes in self.boxes],
            [points.to(device) for points in self.landmarks],
            [weights.to(device) for weights in self.weights],
            self.complete.to(device),
        )


def network_input(pixels: Tensor) -> Tensor:
    """Turn pixels (N, 3, H, W) uint8 or float BGR, 0..255, into what the networks read."""
    mean = torch.tensor(PIXEL_MEAN_BGR, device=pixels.device).view(3, 1, 1)
    return (pixels.float() - mean).contiguous(memory_format=torch.channels_last)


def batches(
    dataset: Dataset[Sample],
    *,
    size: int,
    first: int,
    count: int,
    workers: int,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[Batch]:
    """Yield batches number `first` to `count` - 1 of `size` samples each; `rank` of `ranks` gets its share.

    Sample numbers wrap round at the length of `dataset`.
    """
    numbers = [
        [((step * ranks + rank) * size + place) % len(dataset) for place in range(size)]
        for step in range(first, count)
    ]
    loader = DataLoader(
        dataset,
        batch_sampler=numbers,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_single_threaded,
        generator=torch.Generator(),  # else it would draw from the run's own, and a resumed run twice
    )
    return iter(loader)


def _collate(samples: list[Sample]) -> Batch:
    pixels = np.stack([sample.pixels for sample in samples]).transpose(0, 3, 1, 2)
    return Batch(
        torch.from_numpy(np.ascontiguousarray(pixels)),
        [torch.from_numpy(sample.boxes) for sample in samples],
        [torch.from_numpy(sample.landmarks) for sample in samples],
        [torch.ones(len(sample.boxes)) for sample in samples],
        torch.tensor([sample.complete for sample in samples]),
    )


def _single_threaded(worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
