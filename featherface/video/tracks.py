"""Follow faces through the frames of a video, and say how steady a detector is without any labels.

The tracker links detections of neighbouring frames by IoU alone (Bochinski, Eiselein and Sikora, "High-Speed
Tracking-by-Detection Without Using Image Information", AVSS 2017) and bridges gaps of up to `MAX_GAP` frames.
The measures are those of Zhang and Wang, "On the Stability of Video Detection and Tracking", 2016
(arXiv 1611.06467), without ground truth: each track is compared with its own neighbouring frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featherface.detection.agreement import match_by_iou
from featherface.detection.boxes import iou_matrix
from featherface.detection.detections import Detections

__all__ = ["MAX_GAP", "MIN_TRACK_IOU", "Stability", "Track", "stability", "track_faces"]

MIN_TRACK_IOU = 0.3  # of one face in neighbouring frames; a head that turns or walks keeps more
MAX_GAP = 3  # frames without a detection that a track survives


@dataclass(frozen=True, eq=False)
class Track:
    """One face through a video; rows of the arrays of length K belong together.

    frames: (K,) int64, places in the sequence of frames, ascending. faces: (K,) int64, index of the face in
    the detections of that frame. boxes: (K, 4) float32, x1, y1, x2, y2 in pixels.
    """

    frames: np.ndarray
    faces: np.ndarray
    boxes: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """Lengths of the gaps between detections, (G,) int64, each 1 to MAX_GAP frames."""
        missing = np.diff(self.frames) - 1
        gaps: np.ndarray = missing[missing > 0]
        return gaps


@dataclass(frozen=True)
class Stability:
    """How steady one model's faces are over a video; smaller is steadier.

    tracks: faces followed. fragments_per_minute: stretches of uninterrupted detection that begin after the
    first frame, over all tracks, per minute; 0 where every face is found throughout. flicker_per_minute:
    times that a face is lost for 1 to MAX_GAP frames and found again, per minute.
    centre_jitter, scale_jitter: median over all inner frames of how far the centre (in face sizes) and the
    size (as a ratio less 1) lie off the mean of the frame before and the frame after; None where no face is
    found in three consecutive frames.
    """

    tracks: int
    fragments_per_minute: float
    flicker_per_minute: float
    centre_jitter: float | None
    scale_jitter: float | None


def track_faces(detections: Sequence[Detections]) -> list[Track]:
    """Link the faces of consecutive frames to tracks, in the order in which they first appear."""
    open_tracks: list[list[tuple[int, int]]] = []
    closed: list[list[tuple[int, int]]] = []
    for frame, found in enumerate(detections):
        ended = [track for track in open_tracks if frame - track[-1][0] > MAX_GAP + 1]
        open_tracks = [track for track in open_tracks if frame - track[-1][0] <= MAX_GAP + 1]
        closed += ended
        last_boxes = np.array(
            [detections[before].boxes[face] for before, face in (track[-1] for track in open_tracks)],
            np.float32,
        ).reshape(-1, 4)
        pairs = match_by_iou(iou_matrix(last_boxes, found.boxes), MIN_TRACK_IOU)
        for track, face in pairs.tolist():
            open_tracks[track].append((frame, face))
        new = np.setdiff1d(np.arange(len(found)), pairs[:, 1])
        open_tracks += [[(frame, face)] for face in new.tolist()]
    chains = sorted(closed + open_tracks, key=lambda chain: chain[0])
    return [_track(chain, detections) for chain in chains]


def stability(tracks: Sequence[Track], seconds: float) -> Stability:
    """Measure how steady `tracks` are over a video of `seconds` seconds."""
    flicker = sum(len(track.gaps) for track in tracks)
    jitter = np.concatenate([_jitter(track) for track in tracks] or [np.empty((0, 2))])
    centre, scale = np.median(jitter, axis=0).tolist() if len(jitter) else (None, None)
    minutes = seconds / 60
    late = sum(int(track.frames[0]) > 0 for track in tracks)
    return Stability(len(tracks), (late + flicker) / minutes, flicker / minutes, centre, scale)


def _track(chain: Sequence[tuple[int, int]], detections: Sequence[Detections]) -> Track:
    frames, faces = np.array(chain, np.int64).T
    boxes = np.stack([detections[frame].boxes[face] for frame, face in chain])
    return Track(frames, faces, boxes)


def _jitter(track: Track) -> np.ndarray:
    """Return centre and scale jitter (J, 2) at every frame whose two neighbours are in the track."""
    steady = (np.diff(track.frames[:-1]) == 1) & (np.diff(track.frames[1:]) == 1)
    centres = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2
    sizes = np.sqrt((track.boxes[:, 2:] - track.boxes[:, :2]).prod(axis=1))
    moved = np.linalg.norm(centres[1:-1] - (centres[:-2] + centres[2:]) / 2, axis=1) / sizes[1:-1]
    grown = np.abs(sizes[1:-1] / np.sqrt(sizes[:-2] * sizes[2:]) - 1)
    jitter: np.ndarray = np.stack((moved, grown), axis=1)[steady]
    return jitter
