"""`featherface video`: faces in a video file, a camera or a network stream."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    INTERRUPTED,
    Command,
    CommandError,
    add_engine_option,
    add_input_size_option,
    add_model_option,
    add_threshold_options,
    error_line,
    model_keys,
    range_help,
)
from featherface.config import INPUT_SIZE_RANGE

if TYPE_CHECKING:
    from featherface.video.analysis import Detect, FrameFaces, VideoFaces

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "video",
        metavar="VIDEO",
        help="a video file, the number of a camera (0, 1, ...) or an rtsp:// address",
    )
    add_model_option(parser)
    add_engine_option(parser)
    add_input_size_option(parser, range_help("input size in pixels", INPUT_SIZE_RANGE))
    parser.add_argument(
        "--every",
        type=_positive,
        default=1,
        metavar="N",
        help="analyse every Nth frame (default: %(default)s)",
    )
    parser.add_argument(
        "--frames", type=_positive, metavar="N", help="stop after N analysed frames (default: at the end)"
    )
    add_threshold_options(parser)
    parser.add_argument(
        "--save",
        type=Path,
        metavar="OUT.webm",
        help="save an annotated video, models side by side (files only)",
    )


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _run(arguments: argparse.Namespace) -> int:
    from featherface.video.exports import video_json

    detect = _detectors(arguments)
    is_stream = arguments.video.isdecimal() or "://" in arguments.video
    if is_stream and arguments.save is not None:
        raise CommandError("--save needs a video file: a camera or stream cannot be read a second time.")
    faces, interrupted = _stream_faces(arguments, detect) if is_stream else _file_faces(arguments, detect)
    if arguments.json:
        print(video_json(faces))
    else:
        _print_summary(faces, list(detect))
    if arguments.save is not None:
        _save(arguments, faces, list(detect))
    return INTERRUPTED if interrupted else 0


def _detectors(arguments: argparse.Namespace) -> Mapping[str, Detect]:
    from featherface.detection.settings import DetectionSettings
    from featherface.serving.model_service import ModelService

    settings = DetectionSettings(arguments.conf, arguments.nms, input_size=arguments.size)
    service = ModelService(engine=arguments.engine)

    def detector(key: str) -> Detect:
        return lambda photo: service.detect_frame(photo, key, settings)[0]

    return {key: detector(key) for key in model_keys(arguments.model)}


def _file_faces(arguments: argparse.Namespace, detect: Mapping[str, Detect]) -> tuple[VideoFaces, bool]:
    from tqdm import tqdm

    from featherface.video.analysis import VideoFaces, analyse_video
    from featherface.video.decoding import MAX_FRAMES, MAX_SECONDS, probe_video

    path = Path(arguments.video)

    def report_limit() -> None:
        limit = f"the limit of {MAX_SECONDS:.0f} s or {MAX_FRAMES:,} frames"
        tqdm.write(
            error_line(f"{path.name} goes on beyond {limit}; the rest is not analysed."), file=sys.stderr
        )

    data = path.read_bytes()
    info = probe_video(data, path.name)
    total = None if info.frames is None else -(-info.frames // arguments.every)
    steps = analyse_video(data, path.name, detect, arguments.every, report_limit)
    frames, interrupted = _watched(steps, arguments, total)
    return VideoFaces(str(path), info.width, info.height, arguments.every, frames), interrupted


def _stream_faces(arguments: argparse.Namespace, detect: Mapping[str, Detect]) -> tuple[VideoFaces, bool]:
    from featherface.video.analysis import VideoFaces, analyse_frames
    from featherface.video.streams import stream_frames

    sizes: list[tuple[int, int]] = []
    steps = analyse_frames(stream_frames(arguments.video, arguments.every, sizes.append), detect)
    frames, interrupted = _watched(steps, arguments, None)
    width, height = sizes[0] if sizes else (0, 0)
    return VideoFaces(arguments.video, width, height, arguments.every, frames), interrupted


def _watched(
    steps: Iterator[FrameFaces], arguments: argparse.Namespace, total: int | None
) -> tuple[tuple[FrameFaces, ...], bool]:
    """Collect frames with a progress bar, until the end, `--frames` or Ctrl-C; say whether it was Ctrl-C."""
    from itertools import islice

    from tqdm import tqdm

    frames: list[FrameFaces] = []
    most = arguments.frames
    expected = total if most is None or (total is not None and total < most) else most
    try:
        bar = tqdm(islice(steps, most), total=expected, unit="frame", file=sys.stderr, delay=0.5)
        frames.extend(bar)
    except KeyboardInterrupt:
        return tuple(frames), True
    return tuple(frames), False


def _print_summary(faces: VideoFaces, keys: list[str]) -> None:
    from featherface.models import MODELS

    count = len(faces.frames)
    print(f"{faces.name}: {count} {'frame' if count == 1 else 'frames'} analysed")
    for key in keys:
        counts = [len(frame.faces[key]) for frame in faces.frames]
        mean = sum(counts) / len(counts) if counts else 0.0
        print(
            f"  {MODELS[key].short_name}: {mean:.2f} faces per frame, {max(counts, default=0)} at most",
            end="",
        )
        steady = faces.stability(key)
        print(
            f", {steady.tracks} tracks, flicker {steady.flicker_per_minute:.1f} per minute" if steady else ""
        )


def _save(arguments: argparse.Namespace, faces: VideoFaces, keys: list[str]) -> None:
    from featherface.files import write_files
    from featherface.models import MODELS
    from featherface.video.encoding import encode_webm, side_by_side

    data = Path(arguments.video).read_bytes()
    images = side_by_side(data, faces, {key: MODELS[key] for key in keys})
    write_files({arguments.save: encode_webm(images, faces)})


COMMAND = Command(
    summary="detect faces in a video",
    description="Detect faces in a video file, a camera or a network stream with each model.\n\n"
    "Ctrl-C stops early and keeps the frames that are done.\n\n"
    'JSON: {"video", "width", "height", "every", "frames": [\n'
    '    {"frame", "seconds", "models": {MODEL: {"boxes", "scores", "landmarks"}, ...}}, ...]}\n'
    "Boxes and landmarks are in pixels of the upright frame, highest score first.",
    add_options=_add_options,
    run=_run,
)
