"""Decode video files from memory, frame by frame, in a process of their own.

FFmpeg's demuxers and decoders read whatever a visitor uploads, and a damaged file can crash them or let them
hang. They run in a child process (`decoder_process`), so that such a file ends with a sentence and not with
the server. Nothing is written to disk. Only containers that cannot name other files or addresses are opened
(MP4/MOV, WebM/Matroska, AVI), judged by content and not by name: a playlist renamed to .mp4 would make FFmpeg
fetch what it lists.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Timer
from typing import IO, cast

import numpy as np

from featherface.detection.images import Photo
from featherface.errors import FeatherFaceError
from featherface.video import decoder_process
from featherface.video.decoder_process import FRAME_HEADER, Request

__all__ = [
    "MAX_DECODING_SECONDS",
    "MAX_FRAMES",
    "MAX_FRAME_PIXELS",
    "MAX_SECONDS",
    "MAX_VIDEO_BYTES",
    "Frame",
    "VideoError",
    "VideoInfo",
    "decode_frames",
    "frame_at",
    "probe_video",
]

MAX_VIDEO_BYTES = 100_000_000  # held in memory twice while the video is open, here and in the child process
MAX_SECONDS = 300.0
MAX_FRAMES = 18_000  # 300 s at 60 frames/s; also where a file lies about its length
MAX_FRAME_PIXELS = 3_840 * 2_160
MAX_DECODING_SECONDS = 60.0  # until the file is open, and then for each frame

_SIGNATURES = {  # offset and bytes
    "MP4 or MOV": ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (4, b"free"), (4, b"skip")),
    "WebM or Matroska": ((0, b"\x1a\x45\xdf\xa3"),),
    "AVI": ((8, b"AVI "),),
}
_MAX_RATE = 1_000.0  # frames/s; above it a container's rate is its clock, not its frame rate
_USUAL_RATE = 25.0  # frames/s, where a container has none


class VideoError(FeatherFaceError):
    """A video cannot be read or written; the message is one sentence."""


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a video file says.

    width, height: pixels of the upright frame (rotation metadata applied). frames_per_second: the average.
    frames: number of frames; None where the header has none. codec: four characters, such as "h264".
    """

    width: int
    height: int
    frames_per_second: float
    frames: int | None
    codec: str

    @property
    def seconds(self) -> float | None:
        """Duration in seconds; None where the header gives no number of frames."""
        return None if self.frames is None else self.frames / self.frames_per_second


@dataclass(frozen=True, eq=False)
class Frame:
    """One upright frame. index: place in the video from 0. seconds: presentation time from the start."""

    index: int
    seconds: float
    photo: Photo


def probe_video(data: bytes, name: str) -> VideoInfo:
    """Return what the header says, once the first frame has been decoded. `name` is used in messages only.

    Raises VideoError where the file is not a video, too large or too long, or no frame of it can be decoded.
    """
    with _decoder(data, name, Request(first=0, every=1, frames=1)) as (info, decoder):
        if info.seconds is not None and info.seconds > MAX_SECONDS:
            raise VideoError(
                f"{name} lasts {info.seconds:.0f} s and the limit is {MAX_SECONDS:.0f} s; cut it shorter."
            )
        if info.frames is not None and info.frames > MAX_FRAMES:
            raise VideoError(
                f"{name} has {info.frames:,} frames and the limit is {MAX_FRAMES:,}; "
                "cut it shorter or save it with a lower frame rate."
            )
        next(_frames(decoder, info))
        return info


def decode_frames(
    data: bytes, name: str, every: int = 1, on_limit: Callable[[], None] | None = None
) -> Iterator[Frame]:
    """Yield every `every`-th upright frame in order, up to MAX_FRAMES and MAX_SECONDS.

    A damaged or truncated file yields the frames before the damage. One frame is in memory at a time.
    on_limit: called where the file goes on beyond one of the limits, which its header need not say.
    Raises VideoError where not even the first frame can be decoded.
    """
    request = Request(first=0, every=every, frames=-(-MAX_FRAMES // every) + 1)  # one beyond the limit
    with _decoder(data, name, request) as (info, decoder):
        for frame in _frames(decoder, info):
            if frame.seconds > MAX_SECONDS or frame.index >= MAX_FRAMES:
                if on_limit is not None:
                    on_limit()
                return
            yield frame


def frame_at(data: bytes, name: str, index: int, seconds: float | None = None) -> Frame:
    """Return exactly the frame at place `index`, counted from 0 as `decode_frames` counts.

    seconds: its time as told by `decode_frames`, by which it is found without decoding all frames before it.
    Seeking by number is inexact in files with a variable frame rate. Raises VideoError where the video has no
    such frame.
    """
    with _decoder(data, name, Request(first=index, every=1, frames=1, seconds=seconds)) as (info, decoder):
        return next(_frames(decoder, info))


class _Decoder:
    """The child process that decodes one file; each answer has MAX_DECODING_SECONDS."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self.name = name
        self._process = process
        self._output = cast("IO[bytes]", process.stdout)

    def header(self, request: Request, data: bytes) -> bytes:
        """Send the file and return the line that describes it; empty if it cannot be opened."""
        stdin = cast("IO[bytes]", self._process.stdin)
        with self._in_time():
            with suppress(BrokenPipeError):  # it crashed: what it did not answer says so
                stdin.write(json.dumps(request._asdict()).encode() + b"\n" + data)
                stdin.close()
            return self._output.readline()

    def frame(self) -> Frame | None:
        """Return the next frame, or None at the end or where the file is damaged. Raises VideoError."""
        with self._in_time():
            header = self._output.read(FRAME_HEADER.size)
            if len(header) < FRAME_HEADER.size:
                return None
            index, seconds, width, height = FRAME_HEADER.unpack(header)
            _check_extent(width, height, self.name)  # the size can change in mid-stream
            pixels = self._output.read(3 * width * height)
            if len(pixels) < 3 * width * height:
                return None
        return Frame(index, seconds, Photo(np.frombuffer(pixels, np.uint8).reshape(height, width, 3)))

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Kill the process where what is inside takes too long, and raise VideoError then."""
        late = Event()

        def end() -> None:
            late.set()
            self._process.kill()

        timer = Timer(MAX_DECODING_SECONDS, end)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        if late.is_set():
            raise VideoError(
                f"Decoding one frame of {self.name} takes more than {MAX_DECODING_SECONDS:.0f} s; "
                "convert it to H.264 in MP4 and try again."
            )


@contextmanager
def _decoder(data: bytes, name: str, request: Request) -> Iterator[tuple[VideoInfo, _Decoder]]:
    """Start the child process, give it the file, and yield the header and what reads the frames."""
    _check_container(data, name)
    command = [sys.executable, "-I", decoder_process.__file__]  # by its path: it needs OpenCV alone
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            decoder = _Decoder(process, name)
            line = decoder.header(request, data)
            if not line:
                raise VideoError(f"{name} has no video track that can be read, or is damaged or cut off.")
            yield _info(json.loads(line), name), decoder
        finally:
            process.kill()


def _check_container(data: bytes, name: str) -> None:
    if not data:
        raise VideoError(f"{name} is empty; choose another file.")
    if len(data) > MAX_VIDEO_BYTES:
        raise VideoError(
            f"{name} has {len(data) / 1e6:.0f} MB and the limit is {MAX_VIDEO_BYTES / 1e6:.0f} MB; "
            "cut it or save it smaller."
        )
    known = any(
        data[offset : offset + len(magic)] == magic
        for signatures in _SIGNATURES.values()
        for offset, magic in signatures
    )
    if not known:
        raise VideoError(f"{name} is not a video in a supported format; use {', '.join(_SIGNATURES)}.")


def _info(header: dict[str, float], name: str) -> VideoInfo:
    rate, frames, code = header["rate"], header["frames"], int(header["codec"]) & 0xFFFFFFFF
    info = VideoInfo(
        width=int(header["width"]),
        height=int(header["height"]),
        frames_per_second=rate if 0 < rate <= _MAX_RATE else _USUAL_RATE,
        frames=int(frames) if 0 < frames < 2**31 else None,
        codec="".join(chr(byte) for byte in code.to_bytes(4, "little") if chr(byte).isalnum()),
    )
    _check_extent(info.width, info.height, name)
    return info


def _check_extent(width: int, height: int, name: str) -> None:
    if width * height > MAX_FRAME_PIXELS:
        raise VideoError(
            f"{name} has frames of {width} x {height} pixels and the limit is "
            f"{MAX_FRAME_PIXELS / 1e6:.1f} megapixels; save it smaller."
        )


def _frames(decoder: _Decoder, info: VideoInfo) -> Iterator[Frame]:
    """Yield what the child process writes; raises VideoError where it writes not even one frame."""
    seen = False
    while (frame := decoder.frame()) is not None:
        seen = True
        yield frame
    if not seen:
        # OpenCV's FFmpeg opens AV1 and decodes nothing of it, without an error
        codec = "AV1" if info.codec.upper() == "AV01" else info.codec or "unknown"
        raise VideoError(
            f"{decoder.name} holds {codec} video, of which this frame cannot be decoded here; "
            "convert it to H.264, HEVC, VP8 or VP9."
        )
