"""Run detectors over a video and compare what they find in each frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from featherface.detection.agreement import Agreement, agreement
from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.video.decoding import Frame, decode_frames
from featherface.video.tracks import Stability, Track, stability, track_faces

__all__ = ["Detect", "FrameFaces", "VideoFaces", "analyse_frames", "analyse_video"]

Detect = Callable[[Photo], Detections]

_FRAMES_AT_ONCE = 2


@dataclass(frozen=True, eq=False)
class FrameFaces:
    """What each model found in one frame.

    index: place of the frame in the video. seconds: its time from the start. faces: by model key.
    """

    index: int
    seconds: float
    faces: Mapping[str, Detections]

    def above(self, confidence: float) -> FrameFaces:
        """Return the frame with the faces that score above `confidence` alone."""
        faces = {key: found[found.scores > confidence] for key, found in self.faces.items()}
        return FrameFaces(self.index, self.seconds, faces)

    def agreement(self, first: str, second: str) -> Agreement:
        """Return which faces models `first` and `second` agree on."""
        return agreement(self.faces[first], self.faces[second])


@dataclass(frozen=True, eq=False)
class VideoFaces:
    """The faces of a video, or of its first part where the analysis was stopped.

    frames: in order, every `every`-th of the video. width, height: pixels of a frame.
    """

    name: str
    width: int
    height: int
    every: int
    frames: tuple[FrameFaces, ...]

    def above(self, confidence: float) -> VideoFaces:
        """Return the video with the faces that score above `confidence` alone.

        Filtering is exact, since NMS at a higher confidence keeps a prefix of the same faces.
        """
        return replace(self, frames=tuple(frame.above(confidence) for frame in self.frames))

    @property
    def seconds(self) -> float:
        """Time that the analysed frames cover, in seconds: the last one counts as long as the mean one."""
        if len(self.frames) < 2:
            return 0.0
        span = self.frames[-1].seconds - self.frames[0].seconds
        return span * len(self.frames) / (len(self.frames) - 1)

    def agreements(self, first: str, second: str) -> tuple[Agreement, ...]:
        """Return which faces models `first` and `second` agree on, frame by frame."""
        return tuple(frame.agreement(first, second) for frame in self.frames)

    def tracks(self, key: str) -> list[Track]:
        """Return the tracks of model `key`; their frames count analysed frames from 0."""
        return track_faces([frame.faces[key] for frame in self.frames])

    def stability(self, key: str) -> Stability | None:
        """Return how steady model `key` is, or None for fewer than two frames."""
        return stability(self.tracks(key), self.seconds) if self.seconds else None


def analyse_video(
    data: bytes,
    name: str,
    detect: Mapping[str, Detect],
    every: int = 1,
    on_limit: Callable[[], None] | None = None,
) -> Generator[FrameFaces]:
    """Yield the faces of every `every`-th frame, in order, as each is done.

    detect: by model key, what finds the faces of one frame; called in several threads at once. The next frame
    is under way before one is done, so that a slow model leaves no core idle. Memory does not grow with the
    length of the video, but for what the caller keeps. on_limit: as for `decode_frames`. Raises VideoError
    where no frame can be decoded, and what `detect` raises.
    """
    yield from analyse_frames(decode_frames(data, name, every, on_limit), detect)


def analyse_frames(frames: Iterable[Frame], detect: Mapping[str, Detect]) -> Generator[FrameFaces]:
    """Yield the faces of each of `frames`, in order; arguments and errors as for `analyse_video`."""
    running: deque[tuple[Frame, dict[str, Future[Detections]]]] = deque()
    with ThreadPoolExecutor(_FRAMES_AT_ONCE * max(1, len(detect)), "video") as threads:
        for frame in frames:
            running.append((frame, {key: threads.submit(find, frame.photo) for key, find in detect.items()}))
            if len(running) == _FRAMES_AT_ONCE:
                yield _finished(*running.popleft())
        while running:
            yield _finished(*running.popleft())


def _finished(frame: Frame, passes: Mapping[str, Future[Detections]]) -> FrameFaces:
    return FrameFaces(frame.index, frame.seconds, {key: run.result() for key, run in passes.items()})
