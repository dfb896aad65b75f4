"""The one door to the models, for every page and for the command line.

A `ModelService` is shared by all sessions of a process. All of PyTorch's work goes through one thread: each
thread that uses PyTorch keeps an OpenMP team of its own, and a second team, even an idle one, takes a pass of
V2 at 640 x 640 from 50 ms to 95 ms on two cores.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

from cachetools import LRUCache

from featherface.config import WEIGHTS_DIR
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector
from featherface.detection.images import Photo
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.weights import WeightsError, WeightsFile, load_network, shipped_weights, verify

__all__ = [
    "DetectionResult",
    "ModelService",
    "ModelStatus",
    "NetworkQueue",
    "ServiceBusyError",
    "UntrainedError",
]

_MAX_WAITING = 32  # network passes; the last of them starts after about ten seconds
_CACHE_BYTES = 64 * 2**20  # raw candidates; a photo and model take 300 kB at the most, 10 kB usually
_USER_NETWORKS = 4  # networks kept of people's own checkpoints, 2.5 MB each

_Result = TypeVar("_Result")
OnWait = Callable[[int], None]  # told how many passes come first, each time that this number falls


class ServiceBusyError(RuntimeError):
    """Too many network passes wait already; `position` is the place that one more would have had."""

    def __init__(self, position: int) -> None:
        super().__init__(f"Busy: {position} analyses come first; try again in a few seconds.")
        self.position = position


class UntrainedError(ValueError):
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
    from_cache: the network ran earlier.
    """

    detections: Detections
    milliseconds: MappingProxyType[str, float]
    input_size: tuple[int, int]
    weights: WeightsFile
    from_cache: bool


class NetworkQueue:
    """The thread in which all networks run, one piece of work at a time, first come, first served."""

    def __init__(self, max_waiting: int = _MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._tickets: list[object] = []  # the first one's work is running
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="network")

    def run(self, work: Callable[[], _Result], on_wait: OnWait | None = None) -> _Result:
        """Return what `work` returns, once all work that came earlier is done.

        `on_wait` is called in the caller's thread. Work must not queue further work. Raises ServiceBusyError
        when the queue is full.
        """
        ticket = object()
        with self._changed:
            if len(self._tickets) > self._max_waiting:
                raise ServiceBusyError(len(self._tickets))
            self._tickets.append(ticket)
        try:
            self._await_turn(ticket, on_wait)
            return self._thread.submit(work).result()
        finally:  # also when a session ends while it waits
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()

    def _await_turn(self, ticket: object, on_wait: OnWait | None) -> None:
        position = None
        while position != 0:
            with self._changed:
                self._changed.wait_for(lambda told=position: self._tickets.index(ticket) != told)
                position = self._tickets.index(ticket)
            if position > 0 and on_wait is not None:
                on_wait(position)


class ModelService:
    """Networks, their weights and their results, shared by all sessions; every method may be called at once.

    Weights that are loaded stay as they are, whatever becomes of their file, until the process ends.
    """

    def __init__(
        self, folder: Path = WEIGHTS_DIR, *, max_waiting: int = _MAX_WAITING, cache_bytes: int = _CACHE_BYTES
    ) -> None:
        self.folder = folder
        self.queue = NetworkQueue(max_waiting)
        self._shipped: dict[str, Detector] = {}  # by checksum; used in the queue's thread only
        self._users: LRUCache[str, Detector] = LRUCache(_USER_NETWORKS)  # likewise
        self._lock = threading.Lock()  # guards all that follows
        self._loaded: dict[str, WeightsFile] = {}  # shipped weights in use, by model
        self._results: LRUCache[tuple, DetectionResult] = LRUCache(
            cache_bytes, getsizeof=lambda result: result.detections.nbytes
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
            result = self.queue.run(lambda: self._pass(photo, weights, resize, side), on_wait)
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
            from_cache=False,
        )

    def _detector(self, weights: WeightsFile) -> Detector:
        kept = self._shipped if weights.source == "shipped" else self._users
        if weights.sha256 not in kept:
            kept[weights.sha256] = Detector(load_network(MODELS[weights.key], weights.path, weights.sha256))
            if weights.source == "shipped":
                with self._lock:
                    self._loaded[weights.key] = weights
        return kept[weights.sha256]
