"""The one door to the models, for every page and for the command line.

A `ModelService` is shared by all sessions of a process. Networks run in a few threads of its own, each pass
on one core. A second core for the same pass saves a sixth of it on an idle machine with two (V1 at 640 x 640:
84 instead of 98 ms), but once anything else wants a core they wait for each other: 1,700 to 3,100 ms.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

import torch
from cachetools import LRUCache

from featherface.checkpoints import WeightsError, WeightsFile, load_network, shipped_weights, verify
from featherface.config import WEIGHTS_DIR
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector
from featherface.detection.images import Photo
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.errors import FeatherFaceError
from featherface.models import MODELS
from featherface.profiling.machine import now

__all__ = [
    "DetectionResult",
    "ModelService",
    "ModelStatus",
    "NetworkQueue",
    "ServiceBusyError",
    "UntrainedError",
]

_WORKERS = min(4, os.cpu_count() or 1)  # passes at once; each takes up to 0.7 GB, V1 at original size
_MAX_WAITING = 32  # passes; the last of them starts within a few seconds
_LOWER_PRIORITY = 5  # added to the niceness of the process
_CACHE_BYTES = 64 * 2**20  # raw candidates; a photo and model take 300 kB at the most, 10 kB usually
_RESULT_BYTES = 2**10  # of a result beside its arrays, roughly; so that empty ones count too
_USER_NETWORKS = 4  # networks kept of people's own checkpoints, 2.5 MB each

_Result = TypeVar("_Result")
OnWait = Callable[[int], None]  # told the position in the queue each time it changes, 1 being the next


class ServiceBusyError(FeatherFaceError):
    """The queue is full; `position` is the place in it that one more would have had, 1 being the next."""

    def __init__(self, position: int) -> None:
        super().__init__(f"Busy, position {position} in the queue: try again in a few seconds.")
        self.position = position


class UntrainedError(FeatherFaceError):
    """A model has no trained weights, so its boxes would be random; the message is one sentence."""


@dataclass(frozen=True)
class ModelStatus:
    """Whether a model can be used, and with which weights."""

    key: str  # of the model in MODELS
    state: Literal["ready", "untrained", "refused"]
    weights: WeightsFile | None  # None unless ready
    message: str  # one sentence for people; empty when ready


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """Faces that one model found in one photo.

    milliseconds: "preprocess", "network" and "postprocess", as measured when the network ran.
    input_size: height and width of the network's input in pixels.
    when: the time at which it ran, UTC to the second, ISO 8601.
    from_cache: the network ran earlier.
    """

    detections: Detections
    milliseconds: MappingProxyType[str, float]
    input_size: tuple[int, int]
    weights: WeightsFile
    when: str
    from_cache: bool


def _settle_thread() -> None:
    """Have this thread's networks use one core, and give way to pages that are drawn at the same time."""
    torch.set_num_threads(1)
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.nice(_LOWER_PRIORITY)


class NetworkQueue:
    """Threads in which networks run, each on one core: first come, first served."""

    def __init__(self, workers: int = _WORKERS, max_waiting: int = _MAX_WAITING) -> None:
        self._workers = workers
        self._limit = workers + max_waiting
        self._changed = threading.Condition()
        self._tickets: list[object] = []  # in order of arrival; work of the first `workers` is running
        self._threads = ThreadPoolExecutor(workers, "network", initializer=_settle_thread)

    def run(self, work: Callable[[], _Result], on_wait: OnWait | None = None) -> _Result:
        """Return what `work` returns, once its turn has come.

        `on_wait` is called in the caller's thread. Work must not queue further work. Raises ServiceBusyError
        when the queue is full.
        """
        ticket = object()
        with self._changed:
            if len(self._tickets) >= self._limit:
                raise ServiceBusyError(self._position(len(self._tickets)))
            self._tickets.append(ticket)
        try:
            self._await_turn(ticket, on_wait)
            return self._threads.submit(work).result()
        finally:  # also when a session ends while it waits
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()

    def _await_turn(self, ticket: object, on_wait: OnWait | None) -> None:
        position = None
        while position != 0:
            with self._changed:
                self._changed.wait_for(
                    lambda told=position: self._position(self._tickets.index(ticket)) != told
                )
                position = self._position(self._tickets.index(ticket))
            if position > 0 and on_wait is not None:
                on_wait(position)

    def _position(self, index: int) -> int:
        """Place among those who wait, 1 being the next, or 0 for work that may run."""
        return max(0, index - self._workers + 1)


class ModelService:
    """Networks, their weights and their results, shared by all sessions; every method may be called at once.

    Weights that are loaded stay as they are, whatever becomes of their file, until the process ends.
    """

    def __init__(
        self,
        folder: Path = WEIGHTS_DIR,
        *,
        queue: NetworkQueue | None = None,
        cache_bytes: int = _CACHE_BYTES,
    ) -> None:
        self.folder = folder
        self._queue = queue or NetworkQueue()
        self._loading = threading.Lock()  # guards the two that follow; held while a network loads
        self._shipped: dict[str, Detector] = {}  # by checksum
        self._users: LRUCache[str, Detector] = LRUCache(_USER_NETWORKS)  # by checksum
        self._lock = threading.Lock()  # guards all that follows; never held for long
        self._loaded: dict[str, WeightsFile] = {}  # shipped weights in use, by model
        self._results: LRUCache[tuple, DetectionResult] = LRUCache(
            cache_bytes, getsizeof=lambda result: result.detections.nbytes + _RESULT_BYTES
        )
        self._running: dict[tuple, threading.Event] = {}  # passes that will put a result there

    def models(self) -> tuple[ModelStatus, ...]:
        """Return the status of every model, in the registry's order."""
        return tuple(self.weights_info(key) for key in MODELS)

    def weights_info(self, key: str) -> ModelStatus:
        """Return where the weights of model `key` come from, checksum verified, or why there are none."""
        try:
            return ModelStatus(key, "ready", self._trained(key), "")
        except UntrainedError as error:
            return ModelStatus(key, "untrained", None, str(error))
        except WeightsError as error:
            return ModelStatus(key, "refused", None, str(error))

    def candidates(
        self,
        photo: Photo,
        key: str,
        resize: Resize,
        side: int,
        *,
        weights: WeightsFile | None = None,
        on_wait: OnWait | None = None,
    ) -> DetectionResult:
        """Return what model `key` makes of `photo` before confidence, NMS and top-k.

        The network runs once for a photo, weights and input size, also when several sessions ask at once; the
        arrays are read-only. `weights` are a person's own (default: the shipped ones). Raises UntrainedError,
        WeightsError and ServiceBusyError.
        """
        weights = weights or self._trained(key)
        if weights.key != key:
            raise WeightsError(f"{weights.path.name} holds weights of {weights.key}, not of {key}.")
        if resize is Resize.ORIGINAL:
            side = 0  # it has no part in the result
        request = (photo.digest, key, weights.sha256, resize, side)
        cached = self._cached_or_claimed(request)
        if cached is not None:
            return replace(cached, from_cache=True)
        try:
            result = self._queue.run(lambda: self._pass(photo, weights, resize, side), on_wait)
            with self._lock:
                self._results[request] = result
            return result
        finally:
            with self._lock:
                self._running.pop(request).set()

    def detect(
        self,
        photo: Photo,
        key: str,
        settings: DetectionSettings,
        *,
        weights: WeightsFile | None = None,
        on_wait: OnWait | None = None,
    ) -> DetectionResult:
        """Return the faces of `photo`; other arguments and errors as for `candidates`."""
        raw = self.candidates(photo, key, settings.resize, settings.side, weights=weights, on_wait=on_wait)
        start = time.perf_counter()
        faces = select(raw.detections, settings.confidence, settings.nms_iou, settings.top_k)
        spent = 1000 * (time.perf_counter() - start)
        stages = {**raw.milliseconds, "postprocess": raw.milliseconds["postprocess"] + spent}
        return replace(raw, detections=faces, milliseconds=MappingProxyType(stages))

    def _trained(self, key: str) -> WeightsFile:
        with self._lock:
            if key in self._loaded:
                return self._loaded[key]
        weights = shipped_weights(MODELS[key], self.folder)
        if weights is None:
            raise UntrainedError(
                f"{MODELS[key].name} has no trained weights yet, so its boxes would be random."
            )
        verify(weights)
        return weights

    def _cached_or_claimed(self, request: tuple) -> DetectionResult | None:
        """Return the cached result, or None to the one caller that now has to compute it."""
        while True:
            with self._lock:
                if request in self._results:
                    return self._results[request]
                if request not in self._running:
                    self._running[request] = threading.Event()
                    return None
                done = self._running[request]
            done.wait()  # then look again: where the other caller failed, this one tries itself

    def _pass(self, photo: Photo, weights: WeightsFile, resize: Resize, side: int) -> DetectionResult:
        (raw,) = self._detector(weights).candidates([photo], resize, side)
        for array in (raw.candidates.boxes, raw.candidates.scores, raw.candidates.landmarks):
            array.setflags(write=False)
        return DetectionResult(
            raw.candidates,
            MappingProxyType(dict(raw.milliseconds)),
            raw.input_size,
            weights,
            now(),
            from_cache=False,
        )

    def _detector(self, weights: WeightsFile) -> Detector:
        kept = self._shipped if weights.source == "shipped" else self._users
        with self._loading:
            if weights.sha256 not in kept:
                network = load_network(MODELS[weights.key], weights.path, weights.sha256)
                kept[weights.sha256] = Detector(network)
            detector = kept[weights.sha256]
        if weights.source == "shipped":
            with self._lock:
                self._loaded[weights.key] = weights
        return detector
