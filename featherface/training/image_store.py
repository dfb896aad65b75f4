"""Training images by number, decoded once and cached within a memory budget."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from featherface.evaluation.manifest import ManifestError, Record, read_image_bytes, require_size
from featherface.training.samples import CERTAIN, ImageArray, Sample

__all__ = ["ImageStore"]


class ImageStore:
    """The images of `records`, decoded on first use; up to `cache_bytes` of them stay in memory.

    `complete` names the sources in which every face is labelled; None means all sources.
    Raises ManifestError if there are no records.
    """

    def __init__(
        self, records: Sequence[Record], cache_bytes: int, complete: Collection[str] | None = None
    ) -> None:
        if not records:
            raise ManifestError("There are no images to train on.")
        self.records = tuple(records)
        self._cache: dict[int, ImageArray] = {}
        self._free_bytes = cache_bytes
        self._complete = {record.source for record in records} if complete is None else frozenset(complete)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        """Return image `index` with its labels; ignored labels become uncertain, empty boxes are dropped.

        Raises ManifestError if the image cannot be decoded or has another size than its record says.
        """
        record = self.records[index]
        pixels = self._cache.get(index)
        if pixels is None:
            pixels = _decode(record)
            self._keep(index, pixels)
        usable = (record.boxes[:, 2:] > record.boxes[:, :2]).all(axis=1)  # WIDER FACE has some empty boxes
        uncertain = record.ignore & (record.scores >= CERTAIN)
        scores = np.where(uncertain, np.float32(0), record.scores)
        return Sample(
            pixels=pixels,
            boxes=record.boxes[usable],
            scores=scores[usable].astype(np.float32),
            landmarks=record.landmarks[usable],
            complete=record.source in self._complete,
        )

    def preload(self) -> None:
        """Decode images until the memory budget is used; processes forked afterwards share them."""
        with ThreadPoolExecutor() as threads:
            for index, pixels in enumerate(threads.map(_decode, self.records)):
                if not self._keep(index, pixels):
                    threads.shutdown(cancel_futures=True)
                    return

    def _keep(self, index: int, pixels: ImageArray) -> bool:
        if pixels.nbytes > self._free_bytes:
            return False
        self._cache[index] = pixels
        self._free_bytes -= pixels.nbytes
        return True


def _decode(record: Record) -> ImageArray:
    pixels = cv2.imdecode(np.frombuffer(read_image_bytes(record), np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ManifestError(f"{record.origin}: {record.image} in {record.archive} is not a readable image.")
    require_size(record, pixels.shape[1], pixels.shape[0])
    return np.asarray(pixels, np.uint8)
