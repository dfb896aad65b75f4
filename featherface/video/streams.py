"""Frames of a camera or a network stream.

Used only by the command line: pages must not open addresses that visitors enter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from featherface.detection.images import Photo
from featherface.video.decoding import Frame, VideoError

__all__ = ["stream_frames"]


def stream_frames(
    source: str, every: int = 1, on_size: Callable[[tuple[int, int]], None] | None = None
) -> Iterator[Frame]:
    """Yield every `every`-th frame of a camera (its number) or a stream (its address) until it ends.

    Times count from the first frame. They are those of arrival, because a driver drops frames that are not
    fetched in time; behind an address that leads to a file they are those of the file. on_size: told width
    and height, in pixels, with the first frame. Raises VideoError where the source cannot be opened or gives
    no frame.
    """
    capture = cv2.VideoCapture(int(source)) if source.isdecimal() else cv2.VideoCapture(source)
    try:
        if not capture.isOpened():
            kind = f"Camera {source}" if source.isdecimal() else f"The stream {source}"
            raise VideoError(f"{kind} cannot be opened; check that it is connected and not in use.")
        is_file = capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
        index, start = 0, 0.0
        while capture.grab():
            at = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if is_file else time.monotonic()
            if index == 0:
                start = at
            if index % every == 0:
                decoded, bgr = capture.retrieve()
                if not decoded:
                    return
                if index == 0 and on_size is not None:
                    on_size((bgr.shape[1], bgr.shape[0]))
                pixels: np.ndarray = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                yield Frame(index, at - start, Photo(pixels))
            index += 1
        if index == 0:
            raise VideoError(f"No frame arrives from {source}.")
    finally:
        capture.release()
