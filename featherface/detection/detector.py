"""Photos in, faces out: runs a network on photos."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featherface.config import DEFAULT_INPUT_SIZE, MAX_BATCH_PIXELS
from featherface.detection.detections import Detections
from featherface.detection.images import Photo, memory_errors_as_sentence
from featherface.detection.postprocess import decode_candidates, select
from featherface.detection.preprocess import Prepared, Resize, prepare
from featherface.detection.settings import DetectionSettings
from featherface.engines.protocol import Engine, EngineInfo

__all__ = ["Detector", "RawResult"]


@dataclass(frozen=True, eq=False)
class RawResult:
    """One forward pass of one photo; `select` filters its candidates again and again.

    milliseconds: wall time of "preprocess", "network" and "postprocess"; in a batch, the photo's equal share.
    input_size: height and width of the network's input in pixels.
    """

    candidates: Detections
    milliseconds: Mapping[str, float]
    input_size: tuple[int, int]


class Detector:
    """A network, loaded into an engine, that runs on photos. Threads may share it.

    engine: what runs the network.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def info(self) -> EngineInfo:
        """What runs the network."""
        return self.engine.info

    @memory_errors_as_sentence("A photo", "choose a smaller input size or try again later")
    def candidates(
        self, photos: Sequence[Photo], resize: Resize = Resize.FIT, input_size: int = DEFAULT_INPUT_SIZE
    ) -> list[RawResult]:
        """Return the raw candidates of each photo, in order; photos with one input size form a batch.

        Raises ImageError when memory runs out.
        """
        inputs, preprocess = [], []
        for photo in photos:
            start = time.perf_counter()
            inputs.append(prepare(photo, resize, input_size))
            preprocess.append(_milliseconds_since(start))
        results: dict[int, RawResult] = {}
        for batch in _batches(inputs):
            ran = self._run([inputs[index] for index in batch], [preprocess[index] for index in batch])
            results.update(zip(batch, ran, strict=True))
        return [results[index] for index in range(len(photos))]

    def detect(self, photo: Photo, settings: DetectionSettings) -> Detections:
        """Return the faces of one photo. Raises ImageError when memory runs out."""
        (raw,) = self.candidates([photo], settings.resize, settings.input_size)
        return select(raw.candidates, settings.confidence, settings.nms_iou, settings.top_k)

    def _run(self, inputs: list[Prepared], preprocess: list[float]) -> list[RawResult]:
        start = time.perf_counter()
        loc, conf, landm = self.engine.run(np.stack([prepared.image for prepared in inputs]))
        network = _milliseconds_since(start) / len(inputs)
        results = []
        for index, prepared in enumerate(inputs):
            start = time.perf_counter()
            outputs = loc[index], conf[index], landm[index]
            candidates = decode_candidates(*outputs, prepared.size, prepared.extent)
            milliseconds = {
                "preprocess": preprocess[index],
                "network": network,
                "postprocess": _milliseconds_since(start),
            }
            results.append(RawResult(candidates, milliseconds, prepared.size))
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
