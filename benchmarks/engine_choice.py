"""Which engine should run the networks: latency, new sizes, memory, loading and size on disk, per engine."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil

from benchmarks.benchmark_report import ROOT, options, report, trained_weights
from featherface.checkpoints import load_network
from featherface.config import WEIGHTS_DIR
from featherface.engines.choice import installed_engines, load_engine
from featherface.engines.protocol import Engine
from featherface.models import MODELS

_SIZES = ((320, 320), (480, 640), (640, 640), (768, 1024))
_NEW_SIZES = tuple((360 + 14 * step, 640) for step in range(20))  # as photos of 20 shapes would give
_DISTRIBUTIONS = {
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnx"),
    "pytorch": ("torch",),
}

_Call = Callable[[], object]


def main() -> int:
    parser = options(__doc__, "engine_choice")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--alone", nargs=2, metavar=("ENGINE", "MODEL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(_alone(*given.alone, given.weights)))
        return 0
    files = trained_weights(given.weights)
    rows: list[Mapping[str, object]] = []
    for key, entry in MODELS.items():
        network = load_network(entry, files[key].path)
        for threads in sorted({1, os.cpu_count() or 1}):
            engines = {name: load_engine(network, name, threads) for name in installed_engines()}
            what = f"{entry.name}, {threads} threads"
            for size in _SIZES:
                calls = {name: _call(engine, size) for name, engine in engines.items()}
                rows += _rows(f"{what}, {size[1]} x {size[0]}", calls, given)
            if threads == 1:
                pairs = {name: _pair(engine) for name, engine in engines.items()}
                rows += _rows(f"{what}, two passes at once, 640 x 640", pairs, given)
        rows += [
            {
                "what": f"{entry.name}, in a process of its own",
                "engine": name,
                **_in_own_process(name, key, given.weights),
            }
            for name in installed_engines()
        ]
    return report(
        f"Engines, milliseconds, {given.rounds} rounds taking turns",
        [row for row in rows if "median" in row],
        [],
        given.json,
        processes=[row for row in rows if "median" not in row],
        sizes_on_disk={name: _megabytes_on_disk(name) for name in installed_engines()},
        weights={key: file.sha256 for key, file in files.items()},
    )


def _rows(what: str, calls: Mapping[str, _Call], given: argparse.Namespace) -> list[Mapping[str, object]]:
    """Time each call once per round, in alternating order: wall and processor time."""
    wall: dict[str, list[float]] = {name: [] for name in calls}
    processor: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(given.warmup + given.rounds):
        for name in list(calls) if turn % 2 == 0 else list(reversed(calls)):
            start, busy = time.perf_counter(), time.process_time()
            calls[name]()
            wall[name].append(1000 * (time.perf_counter() - start))
            processor[name].append(1000 * (time.process_time() - busy))
    return [
        {
            "what": what,
            "engine": name,
            "median": float(np.median(wall[name][given.warmup :])),
            "p95": float(np.percentile(wall[name][given.warmup :], 95)),
            "fastest": float(np.min(wall[name][given.warmup :])),
            "processor": float(np.median(processor[name][given.warmup :])),
        }
        for name in calls
    ]


def _call(engine: Engine, size: tuple[int, int]) -> _Call:
    images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    return lambda: engine.run(images)


def _pair(engine: Engine) -> _Call:
    call = _call(engine, (640, 640))
    pool = ThreadPoolExecutor(2)
    return lambda: [pass_.result() for pass_ in [pool.submit(call), pool.submit(call)]]


def _in_own_process(engine: str, key: str, weights: Path) -> Mapping[str, float]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.engine_choice",
        "--weights",
        str(weights),
        "--alone",
        engine,
        key,
    ]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    values: Mapping[str, float] = json.loads(done.stdout)
    return values


def _alone(engine_key: str, key: str, weights: Path = WEIGHTS_DIR) -> Mapping[str, float]:
    """Load one network into one engine and run 20 new sizes; PyTorch itself is loaded before."""
    memory = psutil.Process().memory_info
    network = load_network(MODELS[key], weights / MODELS[key].weights)
    before, start = memory().rss, time.perf_counter()
    engine = load_engine(network, engine_key)
    loaded = time.perf_counter() - start
    ratios = []
    first_rss = None
    for size in _NEW_SIZES:
        call = _call(engine, size)
        times = []
        for _ in range(4):
            busy = time.process_time()
            call()
            times.append(time.process_time() - busy)
        ratios.append(times[0] / np.median(times[1:]))
        first_rss = first_rss or memory().rss
    return {
        "import and load, ms": 1000 * loaded,
        "first run of a new size, times a later one": float(np.median(ratios[1:])),
        "memory after the first size, MB": ((first_rss or 0) - before) / 1e6,
        "memory after 20 sizes, MB": (memory().rss - before) / 1e6,
    }


def _megabytes_on_disk(engine: str) -> float:
    files = [
        Path(str(file.locate()))
        for name in _DISTRIBUTIONS[engine]
        for file in importlib.metadata.files(name) or ()
    ]
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
