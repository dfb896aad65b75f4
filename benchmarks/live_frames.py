"""A live camera of 640 x 360 through both models, compared with the bare models on the same frames.

Phases take turns: a client of the dashboard's own WebSocket that offers 60 frames per second, then the two
models in two threads of this process, each as fast as it can, on the same decoded frames. With `--minutes`
above 0 a further run watches the server's memory.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from websockets.sync.client import connect

from benchmarks.markdown_report import Target, options, report, trained_weights
from benchmarks.visitor import Dashboard, served
from featherface.detection.images import Photo, decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.serving.model_service import ModelService

_SAMPLE = Path(__file__).resolve().parents[1] / "assets/samples/eileen_collins.jpg"
_SIZE = 640, 360
_RATE = 60.0  # frames per second that the camera offers
_SHARE = 0.8  # of the bare models' rate
_MEMORY = 50.0  # MB of growth from the fifth minute on
_SETTLED = 5 * 60.0  # seconds
# The page's token reaches browsers inside a component; here any token opens the socket.
_ANY_TOKEN = "from featherface.serving.live_slots import LiveTokens\nLiveTokens.valid = lambda *_: True"


def main() -> int:
    parser = options(__doc__, "live_frames")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a phase")
    parser.add_argument("--turns", type=int, default=4, help="phases of each kind")
    parser.add_argument("--minutes", type=float, default=0.0, help="length of the memory run")
    given = parser.parse_args()
    trained_weights(given.weights)
    frames = camera_frames()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(given.weights, Path(folder) / "log.txt", _ANY_TOKEN) as dashboard,
    ):
        service = ModelService(given.weights)
        watch(dashboard, frames, 5.0)  # warm-up of both
        bare(service, frames, 2.0)
        live: dict[str, list[dict]] = defaultdict(list)
        rates: dict[str, dict[str, list[float]]] = {"live": defaultdict(list), "bare": defaultdict(list)}
        for _ in range(given.turns):
            for key, answers in watch(dashboard, frames, given.seconds).items():
                live[key] += answers
                rates["live"][key].append(len(answers) / given.seconds)
            for key, count in bare(service, frames, given.seconds).items():
                rates["bare"][key].append(count / given.seconds)
        rows, targets = [], []
        for key, entry in MODELS.items():
            rate, alone = (float(np.median(rates[kind][key])) for kind in ("live", "bare"))
            delays = [answer["delay"] for answer in live[key]]
            rows.append(
                {
                    "what": entry.name,
                    "frames/s live": rate,
                    "frames/s bare": alone,
                    "p50 ms": float(np.percentile(delays, 50)),
                    "p95 ms": float(np.percentile(delays, 95)),
                    "queue p95 ms": float(np.percentile([a["milliseconds"]["queue"] for a in live[key]], 95)),
                    "dropped": live[key][-1]["dropped"],
                }
            )
            targets.append(
                Target(f"{entry.name}: live rate / bare rate", rate / alone, _SHARE, "x", at_least=True)
            )
        if given.minutes:
            growth = memory_growth(dashboard, frames, 60 * given.minutes)
            targets.append(Target("server memory from the fifth minute on", growth, _MEMORY, "MB"))
    title = f"Live view, {_SIZE[0]} x {_SIZE[1]}, {given.turns} phases of {given.seconds:.0f} s"
    return report(title, rows, targets, given.json)


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


def watch(dashboard: Dashboard, frames: list[bytes], seconds: float) -> dict[str, list[dict]]:
    """Offer frames for some seconds and return each model's answers with the delay of each, in ms."""
    sent: dict[int, float] = {}
    answers: dict[str, list[dict]] = defaultdict(list)
    address = dashboard.address.replace("http", "ws", 1) + "/live/frames"
    with connect(address, origin=dashboard.address, max_size=None) as socket:
        socket.send(json.dumps({"token": "benchmark"}))
        assert json.loads(socket.recv()) == {"ready": True}
        stop = threading.Event()

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
            while (left := end - time.perf_counter()) > 0:
                try:
                    answer = json.loads(socket.recv(timeout=left))
                except TimeoutError:
                    break
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
