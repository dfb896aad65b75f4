"""The child process that decodes a video: file on standard input, raw frames on standard output.

Input: one line of JSON, a `Request`, then the bytes of the file. Output: one line of JSON with the header of
the container, then for each requested frame `FRAME_HEADER` and H * W * 3 bytes of RGB. No output at all means
that the file cannot be opened.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from contextlib import suppress
from typing import BinaryIO, NamedTuple

import cv2

__all__ = ["FRAME_HEADER", "Request"]

FRAME_HEADER = struct.Struct("<qdii")  # index, seconds, width, height
_BEFORE = 0.5  # seconds before a wanted frame that seeking aims at
_SAME = 0.0005  # seconds: presentation times that differ by less are one frame's
_CAPTURES: list[cv2.VideoCapture] = []  # keeps them from being released
_MEMORY = 4 * 2**30  # bytes of address space; a 4K decoder with its threads takes 1 GiB


class Request(NamedTuple):
    """Which frames to write: `frames` of them from place `first` on, every `every`-th.

    seconds: presentation time of the one frame wanted, where it is known.
    """

    first: int
    every: int
    frames: int
    seconds: float | None = None


def main() -> None:
    """Serve one request."""
    _limit_memory()
    request = Request(**json.loads(sys.stdin.buffer.readline()))
    data = sys.stdin.buffer.read()
    capture = _opened(data)
    if capture.isOpened():
        with suppress(BrokenPipeError):
            _write_header(capture, sys.stdout.buffer)
            if request.seconds is None or not _write_at(data, request, request.seconds, sys.stdout.buffer):
                _write(capture, request, sys.stdout.buffer)
    # Releasing a capture that reads from memory crashes OpenCV 5.0, so leave without doing it.
    os._exit(0)


def _opened(data: bytes) -> cv2.VideoCapture:
    capture: cv2.VideoCapture = cv2.VideoCapture(  # type: ignore[call-overload]
        io.BytesIO(data), cv2.CAP_FFMPEG, []
    )
    _CAPTURES.append(capture)
    return capture


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _write_header(capture: cv2.VideoCapture, output: BinaryIO) -> None:
    header = {
        "width": capture.get(cv2.CAP_PROP_FRAME_WIDTH),
        "height": capture.get(cv2.CAP_PROP_FRAME_HEIGHT),
        "rate": capture.get(cv2.CAP_PROP_FPS),
        "frames": capture.get(cv2.CAP_PROP_FRAME_COUNT),
        "codec": capture.get(cv2.CAP_PROP_FOURCC),
    }
    output.write(json.dumps(header).encode() + b"\n")
    output.flush()


def _write_at(data: bytes, request: Request, seconds: float, output: BinaryIO) -> bool:
    """Write the frame at `seconds` and return True; False where seeking does not find exactly this one."""
    if seconds <= _BEFORE:
        return False
    capture = _opened(data)
    capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * (seconds - _BEFORE))
    while capture.grab():
        at = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if at > seconds - _SAME:
            return at < seconds + _SAME and _write_grabbed(capture, request.first, output)
    return False


def _write(capture: cv2.VideoCapture, request: Request, output: BinaryIO) -> None:
    last = request.first + request.every * (request.frames - 1)
    for index in range(last + 1):
        if not capture.grab():
            break
        if index < request.first or (index - request.first) % request.every:
            continue
        if not _write_grabbed(capture, index, output):
            break


def _write_grabbed(capture: cv2.VideoCapture, index: int, output: BinaryIO) -> bool:
    decoded, bgr = capture.retrieve()
    if decoded:
        height, width = bgr.shape[:2]
        output.write(FRAME_HEADER.pack(index, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, width, height))
        output.write(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).data)
        output.flush()
    return bool(decoded)


if __name__ == "__main__":
    main()
