"""The faces of a video as files: JSON, CSV and the MOT Challenge's text format; boxes end where frames do."""

from __future__ import annotations

import csv
import io
import json

from featherface.video.analysis import VideoFaces

__all__ = ["video_csv", "video_json", "video_mot"]


def video_json(faces: VideoFaces) -> str:
    """Return a JSON document: the video, then one entry per analysed frame with each model's detections."""
    return json.dumps(
        {
            "video": faces.name,
            "width": faces.width,
            "height": faces.height,
            "every": faces.every,
            "frames": [
                {
                    "frame": frame.index,
                    "seconds": round(frame.seconds, 4),
                    "models": {
                        key: found.clipped(faces.width, faces.height).to_dict()
                        for key, found in frame.faces.items()
                    },
                }
                for frame in faces.frames
            ],
        }
    )


def video_csv(faces: VideoFaces) -> str:
    """Return CSV with a header and one line per face: model, frame, seconds, track, box, score, landmarks."""
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for key in _keys(faces):
        ids = _track_ids(faces, key)
        for place, frame in enumerate(faces.frames):
            found = frame.faces[key].clipped(faces.width, faces.height)
            for face, record in enumerate(found.to_records()):
                row = {
                    "model": key,
                    "frame": frame.index,
                    "seconds": round(frame.seconds, 4),
                    "track": ids[place, face],
                    **record,
                }
                if writer is None:
                    writer = csv.DictWriter(text, row.keys(), lineterminator="\n")
                    writer.writeheader()
                writer.writerow(row)
    return text.getvalue()


def video_mot(faces: VideoFaces, key: str) -> str:
    """Return model `key`'s tracks in the MOT Challenge format, one line per face.

    Frame (from 1), track id (from 1), left, top, width, height in pixels, score, and -1 three times for the
    unknown position in space. Source: Milan et al., "MOT16: A Benchmark for Multi-Object Tracking", 2016
    (arXiv 1603.00831).
    """
    ids = _track_ids(faces, key)
    lines = []
    for place, frame in enumerate(faces.frames):
        found = frame.faces[key].clipped(faces.width, faces.height)
        for face, ((x1, y1, x2, y2), score) in enumerate(
            zip(found.boxes.tolist(), found.scores, strict=True)
        ):
            lines.append(
                f"{frame.index + 1},{ids[place, face]},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},"
                f"{score:.6f},-1,-1,-1\n"
            )
    return "".join(lines)


def _keys(faces: VideoFaces) -> list[str]:
    return list(faces.frames[0].faces) if faces.frames else []


def _track_ids(faces: VideoFaces, key: str) -> dict[tuple[int, int], int]:
    """Return the number of the track, from 1, of each face by place of the frame and index of the face."""
    return {
        (frame, face): number
        for number, track in enumerate(faces.tracks(key), start=1)
        for frame, face in zip(track.frames.tolist(), track.faces.tolist(), strict=True)
    }
