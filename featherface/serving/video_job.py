"""Videos that are analysed in the background, and the memory that uploaded videos take."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from threading import Event, Lock
from typing import Literal

from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.errors import FeatherFaceError
from featherface.serving.network_queue import ServiceBusyError, retry_while_busy
from featherface.video.analysis import Detect, FrameFaces, VideoFaces, analyse_video
from featherface.video.decoding import VideoError, VideoInfo, probe_video

__all__ = ["OpenVideo", "VideoJob", "VideoStore"]

_LOG = logging.getLogger(__name__)
_MAX_STORED_BYTES = 400_000_000  # of all visitors' videos together
_JOBS = 1 if (os.cpu_count() or 1) < 4 else 2  # at once; each keeps two cores busy


@dataclass(frozen=True, eq=False)
class OpenVideo:
    """An uploaded video that was found to be one. digest: SHA-256 of the bytes, hexadecimal."""

    name: str
    data: bytes
    info: VideoInfo
    digest: str


class VideoStore:
    """Bounds the memory of all uploaded videos and runs their jobs; every method is thread-safe."""

    def __init__(self, max_bytes: int = _MAX_STORED_BYTES, jobs: int = _JOBS) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._bytes = 0
        self._threads = ThreadPoolExecutor(jobs, "video job")

    def open(self, name: str, data: bytes) -> OpenVideo:
        """Take in a video; `close` it later. Raises VideoError, also when the store is full."""
        info = probe_video(data, name)
        with self._lock:
            if self._bytes + len(data) > self._max_bytes:
                raise VideoError(
                    f"{name} cannot be opened: other visitors' videos fill the memory. Try again later."
                )
            self._bytes += len(data)
        return OpenVideo(name, data, info, sha256(data).hexdigest())

    def close(self, video: OpenVideo) -> None:
        """Release the memory of a video that `open` returned; call it once."""
        with self._lock:
            self._bytes -= len(video.data)

    def analyse(self, video: OpenVideo, detect: Mapping[str, Detect], every: int) -> VideoJob:
        """Start to analyse every `every`-th frame, or queue it behind other visitors' videos."""
        return VideoJob(video, detect, every, self._threads)


class VideoJob:
    """One analysis in the background, queued in `threads`. `stop` keeps the frames that are done.

    A frame that finds the models busy is tried again, so that a busy moment does not end a long analysis.

    error: one sentence after a failure, else None; the frames before it are kept.
    at_limit: whether the analysis ended because the video goes on beyond MAX_SECONDS or MAX_FRAMES.
    """

    def __init__(self, video: OpenVideo, detect: Mapping[str, Detect], every: int, threads: Executor) -> None:
        self.name = video.name
        self.info = video.info
        self.every = every
        self.error: str | None = None
        self.at_limit = False
        self._data = video.data  # empty once it is not needed: `threads` may hold the job for long
        self._detect = {key: partial(self._find, find) for key, find in detect.items()}
        self._frames: list[FrameFaces] = []
        self._started: float | None = None
        self._seconds = 0.0
        self._stop = Event()
        self._future = threads.submit(self._run)

    def _run(self) -> None:
        """Analyse until the end, `stop` or an error."""
        self._started = time.monotonic()
        try:
            steps = analyse_video(self._data, self.name, self._detect, self.every, self._note_limit)
            while not self._stop.is_set():
                frame = next(steps, None)
                if frame is None:
                    break
                self._frames.append(frame)
            steps.close()
        except ServiceBusyError:
            pass  # stopped between two attempts
        except FeatherFaceError as error:
            self.error = str(error)
        except Exception:
            _LOG.exception("The analysis of a video failed.")
            self.error = f"{self.name} could not be analysed to its end; the reason is in the server's log."
        finally:
            self._data = b""
            self._seconds = time.monotonic() - self._started

    def _note_limit(self) -> None:
        self.at_limit = True

    def _find(self, find: Detect, photo: Photo) -> Detections:
        """Return what `find` does, tried again while the models are busy and the job is not stopped."""
        return retry_while_busy(partial(find, photo), lambda seconds: not self._stop.wait(seconds))

    def wait(self) -> None:
        """Return when the analysis has ended."""
        wait([self._future])

    def stop(self) -> None:
        """End the analysis after the frame that is under way, or at once while it waits for others."""
        self._stop.set()
        if self._future.cancel():
            self._data = b""

    @property
    def state(self) -> Literal["waiting", "running", "stopped", "done"]:
        """Return how far the analysis is; "stopped" also where `stop` came after the last frame."""
        if self._future.done():
            return "stopped" if self._stop.is_set() else "done"
        return "waiting" if self._started is None else "running"

    @property
    def frames_done(self) -> int:
        """Frames analysed so far."""
        return len(self._frames)

    @property
    def frames_expected(self) -> int | None:
        """Frames to analyse by the header of the file, or None where it gives no number."""
        total = self.info.frames
        return None if total is None else -(-total // self.every)

    @property
    def seconds(self) -> float:
        """Time spent so far, in seconds."""
        if self._started is None:
            return 0.0
        return self._seconds if self._future.done() else time.monotonic() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Estimated time to the end in seconds, or None while there is no estimate."""
        if not self._frames or self.frames_expected is None:
            return None
        left = max(0, self.frames_expected - len(self._frames))
        return left * self.seconds / len(self._frames)

    def faces(self) -> VideoFaces:
        """Return the faces found so far."""
        size = self.info.width, self.info.height
        return VideoFaces(self.name, *size, self.every, tuple(self._frames))
