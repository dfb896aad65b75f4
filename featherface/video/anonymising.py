"""Hide the faces of a video, also where a detector loses one for a few frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from featherface.detection.drawing import Hide, hide_faces
from featherface.video.analysis import VideoFaces
from featherface.video.encoding import analysed_photos
from featherface.video.tracks import MAX_GAP, Track

__all__ = ["anonymised", "hidden_boxes"]


def hidden_boxes(faces: VideoFaces, keys: Sequence[str]) -> list[np.ndarray]:
    """Return for each analysed frame the boxes to hide, (N, 4) float32, of all models in `keys` together.

    Beside the detections these are boxes interpolated over gaps of up to MAX_GAP frames, and each track's
    first and last box for MAX_GAP frames before and after it, where a face comes and goes.
    """
    boxes: list[list[np.ndarray]] = [[] for _ in faces.frames]
    for key in keys:
        for track in faces.tracks(key):
            frames = np.arange(
                max(0, track.frames[0] - MAX_GAP), min(len(boxes), track.frames[-1] + MAX_GAP + 1)
            )
            for frame, box in zip(frames.tolist(), _interpolated(track, frames), strict=True):
                boxes[frame].append(box)
    return [np.array(found, np.float32).reshape(-1, 4) for found in boxes]


def anonymised(data: bytes, faces: VideoFaces, keys: Sequence[str], hide: Hide) -> Iterator[np.ndarray]:
    """Yield the analysed frames, (H, W, 3) uint8 RGB, with all faces of the models in `keys` hidden.

    Frames that were not analysed are left out because their faces are unknown.
    """
    hidden = hidden_boxes(faces, keys)
    for (photo, _), boxes in zip(analysed_photos(data, faces), hidden, strict=False):
        yield hide_faces(photo.pixels, boxes, hide)


def _interpolated(track: Track, frames: np.ndarray) -> np.ndarray:
    """Return the track's box at each of `frames`, (F, 4), the nearest one beyond its ends."""
    return np.stack([np.interp(frames, track.frames, track.boxes[:, column]) for column in range(4)], axis=1)
