"""Photos in, faces out: the one place that runs a network on pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from featherface.config import DEFAULT_SIDE, MAX_BATCH_PIXELS
from featherface.detection.detections import Detections
from featherface.detection.images import ImageError, Photo
from featherface.detection.postprocess import decode_candidates, select
from featherface.detection.preprocess import Prepared, Resize, prepare
from featherface.detection.settings import DetectionSettings
from featherface.models.compiled import compiled

__all__ = ["Detector", "RawResult"]

# What PyTorch says, on Linux and elsewhere, and OpenCV; neither has an error of its own for it.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "Insufficient memory")


@dataclass(frozen=True, eq=False)
class RawResult:
    """One forward pass of one photo, from which `select` filters again and again.

    milliseconds: wall time of "preprocess", "network" and "postprocess"; in a batch, the photo's equal share.
    input_size: height and width of the network's input in pixels.
    """

    candidates: Detections
    milliseconds: Mapping[str, float]
    input_size: tuple[int, int]


class Detector:
    """A network made ready for pictures. It keeps no state between calls, so threads may share it."""

    def __init__(self, network: nn.Module) -> None:
        self._network = compiled(network)

    def candidates(
        self, photos: Sequence[Photo], resize: Resize = Resize.FIT, side: int = DEFAULT_SIDE
    ) -> list[RawResult]:
        """Return the raw candidates of each photo, in order; photos of one input size go through as one.

        Raises ImageError for want of memory.
        """
        try:
            return self._candidates(photos, resize, side)
        except Exception as error:
            if not isinstance(error, MemoryError) and not any(words in str(error) for words in _NO_MEMORY):
                raise
            raise ImageError(
                "A photo needs more memory than is free; choose a smaller network input or try again later."
            ) from error

    def detect(self, photo: Photo, settings: DetectionSettings) -> Detections:
        """Return the faces of one photo. Raises ImageError for want of memory."""
        (raw,) = self.candidates([photo], settings.resize, settings.side)
        return select(raw.candidates, settings.confidence, settings.nms_iou, settings.top_k)

    def _candidates(self, photos: Sequence[Photo], resize: Resize, side: int) -> list[RawResult]:
        inputs, preprocess = [], []
        for photo in photos:
            start = time.perf_counter()
            inputs.append(prepare(photo, resize, side))
            preprocess.append(_milliseconds_since(start))
        results: dict[int, RawResult] = {}
        for batch in _batches(inputs):
            ran = self._run([inputs[index] for index in batch], [preprocess[index] for index in batch])
            results.update(zip(batch, ran, strict=True))
        return [results[index] for index in range(len(photos))]

    def _run(self, inputs: list[Prepared], preprocess: list[float]) -> list[RawResult]:
        start = time.perf_counter()
        with torch.inference_mode():
            outputs = self._network(torch.cat([prepared.tensor for prepared in inputs]))
        network = _milliseconds_since(start) / len(inputs)
        results = []
        arrays = (output.numpy() for output in outputs)
        for prepared, prepared_in, *raw in zip(inputs, preprocess, *arrays, strict=True):
            start = time.perf_counter()
            candidates = decode_candidates(*raw, prepared.size, prepared.extent)
            stages = {
                "preprocess": prepared_in,
                "network": network,
                "postprocess": _milliseconds_since(start),
            }
            results.append(RawResult(candidates, stages, prepared.size))
        return results


def _batches(inputs: list[Prepared]) -> Iterator[list[int]]:
    """Yield the indices of inputs that share a size, as many at a time as MAX_BATCH_PIXELS allows."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, prepared in enumerate(inputs):
        by_size.setdefault(prepared.size, []).append(index)
    for (height, width), indices in by_size.items():
        length = max(1, MAX_BATCH_PIXELS // (height * width))
        for start in range(0, len(indices), length):
            yield indices[start : start + length]


def _milliseconds_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
