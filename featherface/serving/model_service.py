"""Detection for many sessions at once: one service per process, for every page and for the command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from cachetools import LRUCache

from featherface.checkpoints import WeightsError, WeightsFile, load_network, shipped_weights, verify
from featherface.checkpoints.detector_files import detector_files, detector_model
from featherface.config import weights_folder
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector, RawResult
from featherface.detection.face_finder import FinderError
from featherface.detection.images import Photo
from featherface.detection.multiscale import Pass, merge, run_passes
from featherface.detection.other_detectors import OtherDetector, load_finder
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, Scales
from featherface.engines.choice import chosen_engine, load_engine
from featherface.engines.protocol import EngineInfo
from featherface.errors import FeatherFaceError
from featherface.models import MODELS, OTHER_DETECTORS, detector_entry
from featherface.profiling.machine import now
from featherface.serving.network_queue import NetworkQueue, OnWait

__all__ = ["DetectionResult", "ModelService", "ModelStatus", "UntrainedError"]

_CACHE_BYTES = 64 * 2**20  # raw candidates; 10 kB per photo and model usually, 300 kB at most
_RESULT_BYTES = 2**10  # of a result besides its arrays, roughly, so that empty ones count too
_USER_NETWORKS = 4  # networks of user checkpoints and other detectors kept, 2.5 to 20 MB each
_UPLOADED = 8  # model files of other detectors that visitors uploaded, 20 MB each at most

_Request = tuple[str, str, str, Resize, int]  # image digest, model, weights' SHA-256, resize mode, input size

_PhotoDetector = Detector | OtherDetector


class UntrainedError(FeatherFaceError):
    """A model has no trained weights, so its boxes would be random."""


@dataclass(frozen=True)
class ModelStatus:
    """Whether a model can be used, and with which weights."""

    key: str  # of the model in MODELS or the detector in OTHER_DETECTORS
    state: Literal["ready", "untrained", "refused"]
    weights: WeightsFile | None  # None unless ready
    message: str  # one sentence for people; empty when ready


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """Faces that one model found in one photo.

    milliseconds: "preprocess", "network" and "postprocess", as measured when the network ran.
    input_size: height and width of the network input in pixels.
    when: the time at which it ran, UTC to the second, ISO 8601.
    from_cache: the network ran for an earlier call.
    engine: what ran the network.
    passes: the runs of the network whose candidates were merged, in the order of `Detections.found_by`; empty
        where there was one. The milliseconds are then those of all together.
    """

    detections: Detections
    milliseconds: Mapping[str, float]
    input_size: tuple[int, int]
    weights: WeightsFile
    when: str
    from_cache: bool
    engine: EngineInfo
    passes: tuple[Pass, ...] = ()


class ModelService:
    """Networks, their weights and their results, shared by all sessions; all methods are thread-safe.

    Weights once loaded stay in use until the process ends, whatever happens to their file. `engine` is a key
    in ENGINES (default: FEATHERFACE_ENGINE, or the fastest installed); an unusable one raises EngineError.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        engine: str | None = None,
        queue: NetworkQueue | None = None,
        cache_bytes: int = _CACHE_BYTES,
    ) -> None:
        self.folder = folder or weights_folder()
        self._engine = engine
        self.engine = chosen_engine(engine)  # what runs the networks, for people to see
        self._queue = queue or NetworkQueue()
        self._loading = threading.Lock()  # guards the next two; held while a network loads
        self._shipped: dict[str, _PhotoDetector] = {}  # by checksum
        self._users: LRUCache[str, _PhotoDetector] = LRUCache(_USER_NETWORKS)  # by checksum
        self._lock = threading.Lock()  # guards the rest; never held for long
        self._loaded: dict[str, WeightsFile] = {}  # shipped weights in use, by model
        self._uploaded: LRUCache[str, WeightsFile] = LRUCache(_UPLOADED)  # by checksum
        self._results: LRUCache[_Request, DetectionResult] = LRUCache(cache_bytes, getsizeof=_result_bytes)
        self._running: dict[_Request, threading.Event] = {}  # passes that will add a result

    def models(self) -> tuple[ModelStatus, ...]:
        """Return the status of every model, in the registry's order."""
        return tuple(self.weights_info(key) for key in MODELS)

    def weights_info(self, key: str) -> ModelStatus:
        """Return the verified weights of model `key`, or why there are none."""
        try:
            return ModelStatus(key, "ready", self._trained(key), "")
        except UntrainedError as error:
            return ModelStatus(key, "untrained", None, str(error))
        except WeightsError as error:
            return ModelStatus(key, "refused", None, str(error))

    def remember_upload(self, weights: WeightsFile) -> None:
        """Keep the uploaded model file of a detector for a while, so that `detector_weights` finds it."""
        with self._lock:
            self._uploaded[weights.sha256] = weights

    def detector_weights(self, key: str, sha256: str) -> WeightsFile:
        """Return the model file with this checksum of detector `key`, uploaded or in the folder.

        Raises UntrainedError.
        """
        with self._lock:
            uploaded = self._uploaded.get(sha256)
        known = [uploaded, *(file.weights for file in detector_files(self.folder))]
        for weights in known:
            if weights is not None and (weights.key, weights.sha256) == (key, sha256):
                return weights
        raise UntrainedError(f"The model file of {detector_entry(key).name} is gone; add it again.")

    def candidates(
        self,
        photo: Photo,
        key: str,
        resize: Resize,
        input_size: int,
        *,
        weights: WeightsFile | None = None,
        on_wait: OnWait | None = None,
    ) -> DetectionResult:
        """Return the candidates of model `key` in `photo`: before confidence threshold, NMS and top-k.

        The network runs once per photo, weights, resize mode and input size, also when several sessions ask
        at the same time. The arrays are read-only. `input_size` is in pixels of the longer side.
        `weights` are a user checkpoint (default: the shipped weights); the result holds this record, also
        where another session's file had the same content. Raises UntrainedError, WeightsError, ImageError
        and ServiceBusyError.
        """
        weights = weights or self._trained(key)
        if weights.key != key:
            given, wanted = detector_entry(weights.key).name, detector_entry(key).name
            raise WeightsError(f"{weights.path.name} contains weights of {given}, not of {wanted}.")
        if resize is Resize.ORIGINAL:
            input_size = 0  # the result does not depend on it
        request = (photo.digest, key, weights.sha256, resize, input_size)
        cached = self._cached_or_claimed(request)
        if cached is not None:
            return replace(cached, weights=weights, from_cache=True)
        try:
            result = self._queue.run(lambda: self._pass(photo, weights, resize, input_size), on_wait)
            with self._lock:
                self._results[request] = replace(result, weights=weights.without_content())
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
        """Return the faces in `photo`; the other arguments and errors are those of `candidates`."""
        raw = self.merged_candidates(photo, key, settings, weights=weights, on_wait=on_wait)
        return _select_faces(raw, settings)

    def merged_candidates(
        self,
        photo: Photo,
        key: str,
        settings: DetectionSettings,
        *,
        weights: WeightsFile | None = None,
        on_wait: OnWait | None = None,
    ) -> DetectionResult:
        """Return the candidates of every pass that `settings.scales` and `settings.rotated` ask for, merged.

        Each pass is kept and shared like a call of `candidates`, whose other arguments and errors apply.
        Confidence, NMS and top-k of `settings` are not used.
        """
        results: list[DetectionResult] = []

        def run(of: Photo, resize: Resize, input_size: int) -> RawResult:
            result = self.candidates(of, key, resize, input_size, weights=weights, on_wait=on_wait)
            results.append(result)
            return RawResult(result.detections, result.milliseconds, result.input_size)

        several = settings.scales is Scales.AUTO
        passes = run_passes(
            photo, run, settings.resize, settings.input_size, scales=several, rotated=settings.rotated
        )
        return results[0] if len(results) == 1 else _merged(photo, passes, results)

    def detect_frame(
        self, photo: Photo, key: str, settings: DetectionSettings, *, weights: WeightsFile | None = None
    ) -> tuple[Detections, Mapping[str, float]]:
        """Return the faces in a frame of a camera or video; nothing is cached.

        There is one pass, whatever `settings.scales` and `settings.rotated` say. Also returns milliseconds:
        "queue" (waiting for a thread), "preprocess", "network", "postprocess". Raises the errors of
        `candidates`.
        """
        given = weights or self._trained(key)
        queued = time.perf_counter()

        def work() -> tuple[float, DetectionResult]:
            return time.perf_counter(), self._pass(photo, given, settings.resize, settings.input_size)

        started, raw = self._queue.run(work)
        faces = _select_faces(raw, settings)
        return faces.detections, {"queue": 1000 * (started - queued), **faces.milliseconds}

    def _trained(self, key: str) -> WeightsFile:
        with self._lock:
            if key in self._loaded:
                return self._loaded[key]
        if key in OTHER_DETECTORS:
            return self._first_detector_file(key)
        weights = shipped_weights(MODELS[key], self.folder)
        if weights is None:
            raise UntrainedError(
                f"{MODELS[key].name} has no trained weights yet, so its boxes would be random."
            )
        verify(weights)
        return weights

    def _first_detector_file(self, key: str) -> WeightsFile:
        found = (file.weights for file in detector_files(self.folder))
        weights = next((one for one in found if one is not None and one.key == key), None)
        if weights is None:
            raise UntrainedError(f"There is no model file of {OTHER_DETECTORS[key].name} (ONNX) yet.")
        return weights

    def _cached_or_claimed(self, request: _Request) -> DetectionResult | None:
        """Return the cached result, or None to the one caller that must compute it."""
        while True:
            with self._lock:
                if request in self._results:
                    return self._results[request]
                if request not in self._running:
                    self._running[request] = threading.Event()
                    return None
                done = self._running[request]
            done.wait()  # then check again: if the other caller failed, this one runs the network

    def _pass(self, photo: Photo, weights: WeightsFile, resize: Resize, input_size: int) -> DetectionResult:
        detector = self._detector(weights)
        try:
            (raw,) = detector.candidates([photo], resize, input_size)
        except FinderError as error:
            raise WeightsError(f"{weights.path.name} cannot be used: {error}") from error
        for array in (raw.candidates.boxes, raw.candidates.scores, raw.candidates.landmarks):
            array.setflags(write=False)
        return DetectionResult(
            raw.candidates,
            MappingProxyType(dict(raw.milliseconds)),
            raw.input_size,
            weights,
            now(),
            from_cache=False,
            engine=detector.info,
        )

    def _detector(self, weights: WeightsFile) -> _PhotoDetector:
        kept = self._shipped if weights.source == "shipped" else self._users
        with self._loading:
            if weights.sha256 not in kept:
                kept[weights.sha256] = self._load(weights)
            detector = kept[weights.sha256]
        if weights.source == "shipped":
            with self._lock:
                self._loaded[weights.key] = weights
        return detector

    def _load(self, weights: WeightsFile) -> _PhotoDetector:
        if weights.key in OTHER_DETECTORS:
            try:
                return OtherDetector(load_finder(weights.key, detector_model(weights)))
            except FinderError as error:
                raise WeightsError(f"{weights.path.name} cannot be used: {error}") from error
        network = load_network(MODELS[weights.key], weights.path, weights.sha256)
        return Detector(load_engine(network, self._engine))


def _result_bytes(result: DetectionResult) -> int:
    return result.detections.nbytes + _RESULT_BYTES


def _merged(photo: Photo, passes: tuple[Pass, ...], results: Sequence[DetectionResult]) -> DetectionResult:
    """Return the merged candidates with the time of all passes; merging counts as postprocessing."""
    start = time.perf_counter()
    candidates = merge(photo, passes)
    for array in (candidates.boxes, candidates.scores, candidates.landmarks):
        array.setflags(write=False)
    spent = {
        stage: sum(result.milliseconds[stage] for result in results) for stage in results[0].milliseconds
    }
    spent["postprocess"] += 1000 * (time.perf_counter() - start)
    return replace(
        results[0],
        detections=candidates,
        milliseconds=MappingProxyType(spent),
        when=max(result.when for result in results),
        from_cache=all(result.from_cache for result in results),
        passes=passes,
    )


def _select_faces(raw: DetectionResult, settings: DetectionSettings) -> DetectionResult:
    """Apply confidence threshold, NMS and top-k to candidates; the time counts as postprocessing."""
    start = time.perf_counter()
    faces = select(raw.detections, settings.confidence, settings.nms_iou, settings.top_k)
    spent = 1000 * (time.perf_counter() - start)
    stages = {**raw.milliseconds, "postprocess": raw.milliseconds["postprocess"] + spent}
    return replace(raw, detections=faces, milliseconds=MappingProxyType(stages))
