"""Frames of a camera or a network stream.

Used only by the command line: pages must not open addresses that visitors enter.
"""

from __future__ import annotations

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

    on_size: told width and height, in pixels, with the first frame. Raises VideoError where the source cannot
    be opened or gives no frame.
    """
    capture = cv2.VideoCapture(int(source)) if source.isdecimal() else cv2.VideoCapture(source)
    try:
        if not capture.isOpened():
            kind = f"Camera {source}" if source.isdecimal() else f"The stream {source}"
            raise VideoError(f"{kind} cannot be opened; check that it is connected and not in use.")
        rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
        index = 0
        while capture.grab():
            if index % every == 0:
                decoded, bgr = capture.retrieve()
                if not decoded:
                    return
                if index == 0 and on_size is not None:
                    on_size((bgr.shape[1], bgr.shape[0]))
                pixels: np.ndarray = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                yield Frame(index, index / rate, Photo(pixels))
            index += 1
        if index == 0:
            raise VideoError(f"No frame arrives from {source}.")
    finally:
        capture.release()
