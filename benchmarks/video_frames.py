"""Videos of 1280 x 720 at 30 frames per second through both models, every frame: seconds and memory.

Two videos that differ in length alone run one after the other. Memory is the peak of this process and of its
decoder together, so it includes the file itself, twice; it must not grow with the length.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks.benchmark_report import Target, options, report, trained_weights
from benchmarks.live_frames import camera_frames
from featherface.detection.images import Photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.serving.model_service import ModelService
from featherface.video.analysis import analyse_video

_SIZE = 1280, 720
_RATE = 30  # frames per second
_MEMORY = 50.0  # MB by which the longer video's peak may lie above the shorter one's
_SAMPLED = 0.05  # seconds between two looks at the memory


def main() -> int:
    parser = options(__doc__, "video_frames")
    parser.add_argument("--lengths", type=int, nargs=2, default=[20, 60], help="seconds of the two videos")
    given = parser.parse_args()
    trained_weights(given.weights)
    service = ModelService(given.weights)
    detect = {key: partial(_faces, service, key) for key in MODELS}
    list(analyse_video(clip(1), "warm-up", detect))
    rows, peaks = [], []
    for length in given.lengths:
        data = clip(length)
        start = time.perf_counter()
        frames, peak = watched(lambda data=data: sum(1 for _ in analyse_video(data, "clip.mp4", detect)))
        seconds = time.perf_counter() - start
        peaks.append(peak)
        rows.append(
            {
                "what": f"{length} s",
                "frames": frames,
                "seconds": seconds,
                "frames/s": frames / seconds,
                "peak MB": peak,
                "file MB": len(data) / 1e6,
            }
        )
    title = f"Video, {_SIZE[0]} x {_SIZE[1]} at {_RATE} frames/s, {len(MODELS)} models, every frame"
    shorter, longer = given.lengths
    growth = Target(f"peak memory at {longer} s less that at {shorter} s", peaks[1] - peaks[0], _MEMORY, "MB")
    return report(title, rows, [growth], given.json)


def _faces(service: ModelService, key: str, photo: Photo) -> object:
    return service.detect_frame(photo, key, DetectionSettings())[0]


def clip(seconds: int) -> bytes:
    """Return an MP4 file in which a sample moves slowly."""
    images = [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) for frame in camera_frames()]
    images = [cv2.resize(image, _SIZE) for image in images]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), float(_RATE), _SIZE)
        for number in range(_RATE * seconds):
            writer.write(images[number % len(images)])
        writer.release()
        return path.read_bytes()


def watched(work: Callable[[], int]) -> tuple[int, float]:
    """Return what `work` returns, and the peak of resident memory in MB, child processes included."""
    process, peak, done = psutil.Process(), 0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(_SAMPLED):
            peak = max(peak, process.memory_info().rss + sum(map(_resident, process.children())))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        result = work()
    finally:
        done.set()
        watcher.join()
    return result, peak / 1e6


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


if __name__ == "__main__":
    sys.exit(main())
