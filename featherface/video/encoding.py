"""Write videos that browsers play: VP8 in WebM, which OpenCV encodes without parts under the GPL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, repeat, zip_longest
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from featherface.detection.drawing import annotate, title_band
from featherface.detection.images import Photo
from featherface.models import DetectorEntry
from featherface.video.analysis import FrameFaces, VideoFaces
from featherface.video.decoding import VideoError, decode_frames

__all__ = ["MAX_VIEW_WIDTH", "analysed_photos", "encode_webm", "side_by_side"]

MAX_VIEW_WIDTH = 960  # pixels per model; two views make a video of 1,920
_MEMORY = Path("/dev/shm")  # Linux keeps it in memory; OpenCV writes to paths only
_MAX_RATE, _MIN_RATE = 60.0, 1.0  # frames/s that players take well
_STEADY = 1.5  # the longest time between frames over the shortest; above it the frame rate is variable


def encode_webm(images: Iterable[np.ndarray], faces: VideoFaces) -> bytes:
    """Return a WebM file of `images`, (H, W, 3) uint8 RGB, all of one size: one for each frame of `faces`.

    Each is shown at the time of its frame: OpenCV writes constant frame rates, so images repeat where the
    video's own rate is variable.

    The encoder's file lies in memory-backed storage where the system has some (Linux), else in the temporary
    folder, and is gone when this returns. Raises VideoError where there is nothing to write or no encoder.
    """
    rate = _rate(faces)
    iterator = _at_constant_rate(images, faces, rate)
    first = next(iterator, None)
    if first is None:
        raise VideoError("There is no frame to write; analyse the video first.")
    height, width = first.shape[:2]
    folder = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name, "video.webm")
        writer = cv2.VideoWriter(
            str(path),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter.fourcc(*"VP80"),
            rate,
            (width, height),
        )
        if not writer.isOpened():
            raise VideoError("This installation of OpenCV cannot write WebM video.")
        try:
            for image in chain([first], iterator):
                writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        finally:
            writer.release()
        return path.read_bytes()


def _rate(faces: VideoFaces) -> float:
    """Return the frame rate to write: the mean one, or where it is variable that of the shortest interval."""
    intervals = np.diff([frame.seconds for frame in faces.frames])
    shortest, longest = intervals.min(initial=np.inf), intervals.max(initial=0.0)
    if not faces.seconds:
        rate = _MIN_RATE
    elif longest <= _STEADY * shortest:
        rate = len(faces.frames) / faces.seconds
    else:
        rate = 1 / shortest if shortest > 0 else _MAX_RATE
    return float(min(max(rate, _MIN_RATE), _MAX_RATE))


def _at_constant_rate(images: Iterable[np.ndarray], faces: VideoFaces, rate: float) -> Iterator[np.ndarray]:
    """Yield each image as often as its frame lasts at `rate` frames per second."""
    ends = [frame.seconds - faces.frames[0].seconds for frame in faces.frames[1:]]
    written = 0
    for image, end in zip_longest(images, ends):
        if image is None:
            return  # the video could not be decoded as far as before
        until = written + 1 if end is None else round(end * rate)
        yield from repeat(image, until - written)
        written = max(written, until)


def analysed_photos(data: bytes, faces: VideoFaces) -> Iterator[tuple[Photo, FrameFaces]]:
    """Decode again the frames that were analysed, each with its faces, in order."""
    yield from (
        (frame.photo, found)
        for frame, found in zip(decode_frames(data, faces.name, faces.every), faces.frames, strict=False)
    )


def side_by_side(
    data: bytes, faces: VideoFaces, models: Mapping[str, DetectorEntry]
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield one image per analysed frame: each of `models` on its own copy, from left to right, by name.

    Views are at most MAX_VIEW_WIDTH pixels wide.
    """
    for photo, found in analysed_photos(data, faces):
        small = _narrowed(photo)
        scale = small.width / photo.width, small.height / photo.height
        views = [
            (
                title_band(entry.name, entry.colour, small.width),
                annotate(small, found.faces[key].scaled(*scale), entry.colour),
            )
            for key, entry in models.items()
        ]
        yield np.hstack([np.vstack(view) for view in views])


def _narrowed(photo: Photo) -> Photo:
    scale = MAX_VIEW_WIDTH / photo.width
    return photo if scale >= 1 else photo.shrunk(round(max(photo.width, photo.height) * scale))
