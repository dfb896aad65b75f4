"""Batches of training images, prepared by worker processes in an order that a resumed run repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """N images of one size with their labels.

    pixels: (N, 3, S, S) uint8 BGR.
    boxes: per image (F, 4) float32, x1 y1 x2 y2 in pixels.
    landmarks: per image (F, 5, 2) float32 in pixels, NaN where unknown.
    scores: per image (F,) float32 in 0..1, the certainty that a box is a face.
    weights: per image (F,) float32 in 0..1, the weight of a face in the loss.
    complete: (N,) bool, every face of the image is labelled.
    """

    pixels: Tensor
    boxes: list[Tensor]
    landmarks: list[Tensor]
    scores: list[Tensor]
    weights: list[Tensor]
    complete: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on `device`."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Return the batch in memory that a CUDA device reads by itself; a DataLoader calls this."""
        return self._with(Tensor.pin_memory)

    def _with(self, move: Callable[[Tensor], Tensor]) -> Batch:
        counts = [len(boxes) for boxes in self.boxes]

        def moved(part: list[Tensor]) -> list[Tensor]:
            return list(torch.split(move(torch.cat(part)), counts))  # one transfer for all images

        return Batch(
            move(self.pixels),
            moved(self.boxes),
            moved(self.landmarks),
            moved(self.scores),
            moved(self.weights),
            move(self.complete),
        )


def network_input(pixels: Tensor) -> Tensor:
    """Return (N, 3, H, W) BGR pixels, uint8 or float in 0..255, as the networks' float32 input."""
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
    """Yield batches `first` to `count` - 1 of `size` samples each; process `rank` of `ranks` gets its share.

    Sample numbers wrap around at the length of `dataset`.
    """
    length = len(dataset)  # type: ignore[arg-type]  # PyTorch's Dataset does not declare __len__
    numbers = [
        [((step * ranks + rank) * size + place) % length for place in range(size)]
        for step in range(first, count)
    ]
    loader: DataLoader[Sample] = DataLoader(
        dataset,
        batch_sampler=numbers,
        num_workers=workers,
        collate_fn=collated,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_use_one_thread,
        generator=torch.Generator(),  # the default draws from the run's own generator, which a resume repeats
    )
    yield from loader


def collated(samples: list[Sample]) -> Batch:
    """Return `samples` of one size as a batch on the CPU."""
    pixels = np.stack([sample.pixels for sample in samples]).transpose(0, 3, 1, 2)
    return Batch(
        torch.from_numpy(np.ascontiguousarray(pixels)),
        [torch.from_numpy(sample.boxes) for sample in samples],
        [torch.from_numpy(sample.landmarks) for sample in samples],
        [torch.from_numpy(sample.scores) for sample in samples],
        [torch.ones(len(sample.boxes)) for sample in samples],
        torch.tensor([sample.complete for sample in samples]),
    )


def _use_one_thread(worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
