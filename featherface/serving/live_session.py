"""One camera's frames through several models at once: newest frame first, old ones dropped.

Everything here runs in one event loop, but for decoding and networks, which run in threads. Each model has
at most one frame in flight. A model that becomes free while another works on a frame that it has not seen
takes that same frame: a slow model's frames are among those of a fast one, so their faces can be compared.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import anyio.to_thread

from featherface.checkpoints import WeightsFile
from featherface.config import DEFAULT_CONFIDENCE, DEFAULT_INPUT_SIZE, DEFAULT_NMS_IOU
from featherface.detection.agreement import agreement
from featherface.detection.detections import Detections
from featherface.detection.images import Photo, decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.errors import FeatherFaceError
from featherface.models import MODELS, OTHER_DETECTORS
from featherface.serving.model_service import ModelService

__all__ = ["MAX_FRAME_BYTES", "LiveError", "LiveSession", "LiveSettings", "Send"]

MAX_FRAME_BYTES = 2_000_000  # of one JPEG; a camera's frame of 1920 x 1080 has 300 kB
_MAX_FRAME_PIXELS = 1920 * 1920
_KEPT_FRAMES = 16  # frames whose faces wait for those of the other model
_MOST_MODELS = 3

Send = Callable[[dict[str, Any]], Awaitable[None]]


class LiveError(FeatherFaceError):
    """A message of a live connection does not make sense; the message is one sentence."""


@dataclass(frozen=True)
class LiveSettings:
    """What a visitor has chosen; it holds from the next frame on.

    files: checksum of the model file of each other detector among `models`, where it is not the first in the
        weights folder.
    """

    models: tuple[str, ...] = field(default_factory=lambda: tuple(MODELS)[:2])  # keys
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> LiveSettings:
        """Read the settings from a browser's message. Raises LiveError, and SettingsError out of range."""
        try:
            models = tuple(str(key) for key in message.get("models", cls().models))
            files = {str(key): str(checksum) for key, checksum in dict(message.get("files", {})).items()}
            detection = DetectionSettings(
                confidence=float(message.get("confidence", DEFAULT_CONFIDENCE)),
                nms_iou=float(message.get("nms_iou", DEFAULT_NMS_IOU)),
                input_size=int(message.get("input_size", DEFAULT_INPUT_SIZE)),
            )
        except (TypeError, ValueError, OverflowError) as error:  # the last for infinity and huge integers
            raise LiveError(f"The settings of the live view cannot be read: {error}.") from error
        known = all(key in MODELS or key in OTHER_DETECTORS for key in models)
        if not known or not 1 <= len(models) <= _MOST_MODELS or len(set(models)) < len(models):
            raise LiveError(f"The live view takes 1 to {_MOST_MODELS} different models.")
        return cls(models, detection, files)


@dataclass(eq=False)
class _Frame:
    """A JPEG from the browser.

    number: the browser's own, ascending. place: how many came before it. arrived: by the session's clock.
    """

    number: int
    place: int
    jpeg: bytes
    arrived: float
    lock: Lock = field(default_factory=Lock)
    photo: Photo | None = None

    def decoded(self) -> Photo:
        """Return the photo, decoded once for all models."""
        with self.lock:
            if self.photo is None:
                photo = decode_photo(self.jpeg)
                if photo.width * photo.height > _MAX_FRAME_PIXELS:
                    raise LiveError(f"A frame of {photo.width} x {photo.height} pixels is too large.")
                self.photo = photo
            return self.photo


class LiveSession:
    """The frames of one connection. Call `run` once; `offer` and `settings` may be used meanwhile.

    send: receives one dictionary per model and frame: "frame" (the browser's number), "model" (key), "faces"
    (as `Detections.to_dict`), "size" (width, height of the frame), "milliseconds" ("queue": from the frame's
    arrival to the start of its pass, without "decode"; "preprocess", "network", "postprocess"), "dropped"
    (frames that this model did not see), and "agreement" ("both" and "only" by key) once two models have seen
    the frame. Where a frame cannot be used: "frame", "model" and "error", a sentence.
    """

    def __init__(
        self,
        service: ModelService,
        send: Send,
        settings: LiveSettings,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._service = service
        self._send = send
        self._changed = asyncio.Condition()
        self._offered = 0
        self._newest: _Frame | None = None
        self._shared: _Frame | None = None  # the newest frame that any model has taken
        self._working: dict[str, _Frame] = {}
        self._last: dict[str, _Frame] = {}
        self._dropped: dict[str, int] = {}
        self._faces: OrderedDict[int, dict[str, Detections]] = OrderedDict()
        self._files: dict[tuple[str, str], WeightsFile] = {}  # by other detector and checksum

    async def offer(self, number: int, jpeg: bytes) -> None:
        """Take in the newest frame. Raises LiveError for one that is too large."""
        if len(jpeg) > MAX_FRAME_BYTES:
            limit = MAX_FRAME_BYTES / 1e6
            raise LiveError(f"A frame has {len(jpeg) / 1e6:.1f} MB and the limit is {limit:.0f} MB.")
        async with self._changed:
            self._newest = _Frame(number, self._offered, jpeg, self._clock())
            self._offered += 1
            self._changed.notify_all()

    async def change(self, settings: LiveSettings) -> None:
        """Use `settings` from the next frame on; a model that is chosen again starts to count anew."""
        async with self._changed:
            self.settings = settings
            for key in set(self._last) - set(settings.models):
                del self._last[key]
                self._dropped.pop(key, None)
            self._changed.notify_all()

    async def run(self) -> None:
        """Detect faces in the offered frames until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for key in (*MODELS, *OTHER_DETECTORS):
                tasks.create_task(self._run_model(key))

    async def _run_model(self, key: str) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._next(key) is not None)
                frame = self._take(key)
                settings = self.settings
            try:
                answer, found = await anyio.to_thread.run_sync(self._detect, key, frame, settings)
            except FeatherFaceError as error:
                await self._send({"frame": frame.number, "model": key, "error": str(error)})
            else:
                self._faces.setdefault(frame.number, {})[key] = found
                await self._send(answer | self._agreement(frame.number, settings.models))
            async with self._changed:
                del self._working[key]
                self._changed.notify_all()

    def _next(self, key: str) -> _Frame | None:
        """Return the frame that model `key` should see now, or None while there is none."""
        if key not in self.settings.models:
            return None
        seen = self._last[key].place if key in self._last else -1
        shared = self._shared
        if shared is not None and shared.place > seen and shared in self._working.values():
            return shared
        return self._newest if self._newest is not None and self._newest.place > seen else None

    def _take(self, key: str) -> _Frame:
        frame = self._next(key)
        assert frame is not None  # the caller has waited for it
        if key in self._last:  # what came before a model was chosen is not counted
            self._dropped[key] = self._dropped.get(key, 0) + frame.place - self._last[key].place - 1
        self._last[key] = self._working[key] = self._shared = frame
        return frame

    def _detect(self, key: str, frame: _Frame, settings: LiveSettings) -> tuple[dict[str, Any], Detections]:
        start = self._clock()
        photo = frame.decoded()
        decoded = 1000 * (self._clock() - start)
        weights = None if key in MODELS else self._detector_file(key, settings.files.get(key, ""))
        found, spent = self._service.detect_frame(photo, key, settings.detection, weights=weights)
        waited = 1000 * (start - frame.arrived) + spent["queue"]
        answer = {
            "frame": frame.number,
            "model": key,
            "faces": found.to_dict(),
            "size": (photo.width, photo.height),
            "milliseconds": {**spent, "decode": decoded, "queue": waited},
            "dropped": self._dropped.get(key, 0),
        }
        return answer, found

    def _detector_file(self, key: str, checksum: str) -> WeightsFile | None:
        """Return the model file of another detector, looked up in the weights folder once per connection.

        Without a `checksum` it is the first in the folder; None if there is none. Raises UntrainedError.
        """
        kept = self._files.get((key, checksum))
        if kept is not None:
            return kept
        service = self._service
        file = service.detector_weights(key, checksum) if checksum else service.weights_info(key).weights
        if file is not None:
            self._files[key, checksum] = file
        return file

    def _agreement(self, number: int, models: Sequence[str]) -> dict[str, Any]:
        """Return how the first two models agree on a frame, once both have seen it."""
        while len(self._faces) > _KEPT_FRAMES:
            self._faces.popitem(last=False)
        found = self._faces.get(number, {})
        if len(models) < 2 or not set(models[:2]) <= set(found):
            return {}
        first, second = models[:2]
        both = agreement(found[first], found[second])
        only = {first: len(both.only_first), second: len(both.only_second)}
        return {"agreement": {"both": both.both, "only": only}}
