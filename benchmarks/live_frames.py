"""A live camera of 640 x 360 through both models, compared with the bare models on the same frames.

Phases take turns: a client of the dashboard's own WebSocket that offers 110 frames per second, then the two
models in two threads of this process, each as fast as it can, on the same decoded frames. Then another
visitor moves the confidence slider of the Detection page beside one live session. With `--minutes` above 0 a
last run watches the server's memory.
"""

from __future__ import annotations

import json
import math
import struct
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from websockets.sync.client import connect

from benchmarks import page_labels
from benchmarks.benchmark_report import Target, options, report, spread, trained_weights
from benchmarks.visitor import Dashboard, Visitor, served
from featherface.detection.images import Photo, decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.serving.model_service import ModelService

_SAMPLE = Path(__file__).resolve().parents[1] / "assets/samples/eileen_collins.jpg"
_SIZE = 640, 360
_RATE = 110.0  # frames per second that the camera offers: more than a model takes
_SHARE = 0.8  # of the bare models' rate
_SLIDER = 1_000.0  # milliseconds for a slider move beside a live session
_MEMORY = 50.0  # MB of growth from the fifth minute on
_SETTLED = 5 * 60.0  # seconds
# The page's token reaches browsers inside a component; here any token opens the socket.
_ANY_TOKEN = "from featherface.serving.live_slots import LiveTokens\nLiveTokens.valid = lambda *_: True"


def main() -> int:
    parser = options(__doc__, "live_frames")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a phase")
    parser.add_argument("--turns", type=int, default=4, help="phases of each kind")
    parser.add_argument("--moves", type=int, default=40, help="slider moves beside a live session")
    parser.add_argument("--minutes", type=float, default=0.0, help="length of the memory run")
    given = parser.parse_args()
    trained_weights(given.weights)
    frames = camera_frames()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(given.weights, Path(folder) / "log.txt", _ANY_TOKEN) as dashboard,
    ):
        rows, targets = rates(dashboard, ModelService(given.weights), frames, given.turns, given.seconds)
        slides = slides_beside_camera(dashboard, frames, given.moves)
        targets.append(Target("slider move beside a live session, slowest", slides["slowest"], _SLIDER, "ms"))
        if given.minutes:
            growth = memory_growth(dashboard, frames, 60 * given.minutes)
            targets.append(Target("server memory from the fifth minute on", growth, _MEMORY, "MB"))
    title = f"Live view, {_SIZE[0]} x {_SIZE[1]}, {given.turns} phases of {given.seconds:.0f} s"
    return report(title, rows, targets, given.json, slider_moves=slides)


def rates(
    dashboard: Dashboard, service: ModelService, frames: list[bytes], turns: int, seconds: float
) -> tuple[list[dict[str, object]], list[Target]]:
    """Measure live and bare models in turns; return a row and a target per model."""
    watch(dashboard, frames, 5.0)  # warm-up of both
    bare(service, frames, 2.0)
    live: dict[str, list[dict]] = defaultdict(list)
    rate: dict[str, dict[str, list[float]]] = {"live": defaultdict(list), "bare": defaultdict(list)}
    for _ in range(turns):
        for key, answers in watch(dashboard, frames, seconds).items():
            live[key] += answers
            rate["live"][key].append(len(answers) / seconds)
        for key, count in bare(service, frames, seconds).items():
            rate["bare"][key].append(count / seconds)
    rows, targets = [], []
    for key, entry in MODELS.items():
        delivered, alone = (float(np.median(rate[kind][key])) for kind in ("live", "bare"))
        p50, p95 = np.percentile([answer["delay"] for answer in live[key]], (50, 95)).tolist()
        waited = np.percentile([answer["milliseconds"]["queue"] for answer in live[key]], 95)
        rows.append(
            {
                "what": entry.name,
                "frames/s live": delivered,
                "frames/s bare": alone,
                "p50 ms": p50,
                "p95 ms": p95,
                "queue p95 ms": float(waited),
                "dropped": live[key][-1]["dropped"],
            }
        )
        targets.append(
            Target(f"{entry.name}: live rate / bare rate", delivered / alone, _SHARE, "x", at_least=True)
        )
    return rows, targets


def slides_beside_camera(dashboard: Dashboard, frames: list[bytes], moves: int) -> dict[str, float]:
    """Move a slider of the Detection page while a camera is watched; return the spread in milliseconds."""
    with Visitor(dashboard.address, "detection") as visitor, ThreadPoolExecutor(1) as threads:
        stop = threading.Event()
        camera = threads.submit(watch, dashboard, frames, math.inf, stop)
        try:
            times = [visitor.slide(page_labels.CONFIDENCE, 0.3 + 0.01 * (turn % 40)) for turn in range(moves)]
        finally:
            stop.set()
        if not camera.result():
            raise SystemExit("The live session answered nothing while the slider moved.")
    return spread(times)


def camera_frames() -> list[bytes]:
    """Return twenty JPEGs in which the sample moves slowly."""
    image = cv2.imread(str(_SAMPLE))
    scale = _SIZE[1] / image.shape[0]
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frames = []
    for step in range(20):
        canvas = np.full((_SIZE[1], _SIZE[0], 3), 90, np.uint8)
        canvas[:, 40 + 5 * step : 40 + 5 * step + image.shape[1]] = image
        frames.append(cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
    return frames


def watch(
    dashboard: Dashboard, frames: list[bytes], seconds: float, stop: threading.Event | None = None
) -> dict[str, list[dict]]:
    """Offer frames for some seconds, or until `stop`; return each model's answers with their delay in ms."""
    sent: dict[int, float] = {}
    answers: dict[str, list[dict]] = defaultdict(list)
    stop = stop or threading.Event()
    address = dashboard.address.replace("http", "ws", 1) + "/live/frames"
    with connect(address, origin=dashboard.address, max_size=None) as socket:
        socket.send(json.dumps({"token": "benchmark"}))
        assert json.loads(socket.recv()) == {"ready": True}

        def send() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                sent[number] = time.perf_counter()
                socket.send(struct.pack("<I", number) + frames[number % len(frames)])
                stop.wait(max(0.0, sent[number] + 1 / _RATE - time.perf_counter()))

        camera = threading.Thread(target=send)
        camera.start()
        end = time.perf_counter() + seconds
        try:
            while not stop.is_set() and (left := end - time.perf_counter()) > 0:
                try:
                    answer = json.loads(socket.recv(timeout=min(left, 1.0)))
                except TimeoutError:
                    continue
                answer["delay"] = 1000 * (time.perf_counter() - sent[answer["frame"]])
                answers[answer["model"]].append(answer)
        finally:
            stop.set()
            camera.join()
    return answers


def bare(service: ModelService, frames: list[bytes], seconds: float) -> dict[str, int]:
    """Run every model in a thread of its own, on decoded frames, and return how many each has done."""
    photos = [decode_photo(frame) for frame in frames]
    counts: dict[str, int] = {}
    threads = [
        threading.Thread(target=_repeat, args=(service, key, photos, seconds, counts)) for key in MODELS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def _repeat(
    service: ModelService, key: str, photos: list[Photo], seconds: float, counts: dict[str, int]
) -> None:
    end, done = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        service.detect_frame(photos[done % len(photos)], key, DetectionSettings())
        done += 1
    counts[key] = done


def memory_growth(dashboard: Dashboard, frames: list[bytes], seconds: float) -> float:
    """Return how much the server's memory grows from the fifth minute to the end, in MB."""
    settled = min(_SETTLED, seconds / 2)
    watch(dashboard, frames, settled)
    before = dashboard.memory
    watch(dashboard, frames, seconds - settled)
    return (dashboard.memory - before) / 1e6


if __name__ == "__main__":
    sys.exit(main())
