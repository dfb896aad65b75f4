"""The training pictures, decoded once and kept within a bound of memory."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from featherface.evaluation.manifest import ManifestError, Record, read_image_bytes
from featherface.training.samples import Sample

__all__ = ["Pictures"]


class Pictures:
    """Pictures by number, decoded on first use; those that fit into `cache_bytes` stay decoded."""

    def __init__(self, records: Sequence[Record], cache_bytes: int) -> None:
        if not records:
            raise ManifestError("There is no picture to train on.")
        self.records = tuple(records)
        self._cached: dict[int, np.ndarray] = {}
        self._free = cache_bytes

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        """Return picture `index` with its counted faces; raises `ManifestError` when it cannot be decoded."""
        record = self.records[index]
        pixels = self._cached.get(index)
        if pixels is None:
            pixels = _decoded(record)
            if pixels.nbytes <= self._free:
                self._cached[index] = pixels
                self._free -= pixels.nbytes
        counted = ~record.ignore
        return Sample(
            pixels=pixels,
            boxes=record.boxes[counted],
            landmarks=record.landmarks[counted],
            complete=not record.ignore.any(),
        )


def _decoded(record: Record) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(read_image_bytes(record), np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ManifestError(f"{record.origin}: {record.image} in {record.archive} is no picture.")
    return pixels
