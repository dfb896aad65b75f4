"""What all benchmarks share: options, alternating rounds, medians, the table and the JSON file."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from featherface.checkpoints import WeightsFile, shipped_weights
from featherface.config import WEIGHTS_DIR
from featherface.detection.images import Photo, decode_photo
from featherface.models import MODELS
from featherface.profiling.machine import now, this_machine

__all__ = [
    "Target",
    "options",
    "photo_file",
    "report",
    "same_photo_again",
    "spread",
    "taking_turns",
    "tracebacks",
    "trained_weights",
]

ROOT = Path(__file__).resolve().parents[1]
_PHOTOS = (ROOT / "assets/samples/eileen_collins.jpg", ROOT.parent / "shared/reference/astronaut.png")


@dataclass(frozen=True)
class Target:
    """A target and the measured value."""

    what: str
    measured: float
    limit: float
    unit: str
    at_least: bool = False  # else at most

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return bool(self.measured >= self.limit if self.at_least else self.measured <= self.limit)


def options(about: str, name: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks share."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS_DIR, help="folder with weights of both models"
    )
    parser.add_argument("--json", type=Path, default=ROOT / "runs" / "benchmarks" / f"{name}.json")
    return parser


def trained_weights(folder: Path) -> dict[str, WeightsFile]:
    """Return the weights of every model in a folder; exit with a message if a model has none."""
    files = {key: shipped_weights(entry, folder) for key, entry in MODELS.items()}
    for key, file in files.items():
        if file is None:
            raise SystemExit(f"{MODELS[key].name} has no weights in {folder}: name a folder with --weights.")
    return files


def photo_file(megapixels: float, seed: int = 0) -> bytes:
    """Return a 4:3 JPEG of portraits of the given size; every seed gives another one."""
    portrait = decode_photo(next(path for path in _PHOTOS if path.exists())).pixels
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    height = round(width * 3 / 4)
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), rng.integers(40, 200, 3), np.uint8)
    for _ in range(4):
        side = int(height * rng.uniform(0.25, 0.6))
        top, left = int(rng.integers(height - side)), int(rng.integers(width - side))
        face = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        image[top : top + side, left : left + side] = face
    noise = rng.integers(0, 12, (height // 8, width // 8, 3), np.uint8)
    image = cv2.add(image, cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST))
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def same_photo_again(photo: Photo, turn: int) -> Photo:
    """Return the photo with one value changed, so that it is in no cache."""
    pixels = photo.pixels.copy()
    pixels[0, 0, 0] = turn % 256
    return decode_photo(pixels)


def taking_turns(
    calls: Mapping[str, Callable[[int], object]], rounds: int, warmup: int
) -> dict[str, np.ndarray]:
    """Time each call once per round, in alternating order; calls receive the round's number.

    Returns (rounds,) float64 milliseconds of each. Warm-up rounds come first and are discarded.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warmup + rounds):
        names = list(calls) if turn % 2 == 0 else list(reversed(calls))
        for name in names:
            start = time.perf_counter()
            calls[name](turn)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: np.array(values[warmup:]) for name, values in times.items()}


def spread(milliseconds: np.ndarray | Sequence[float]) -> dict[str, float]:
    """Return median and tails in milliseconds."""
    values = np.asarray(milliseconds)
    median, p95, p99 = np.percentile(values, (50, 95, 99))
    return {
        "fastest": float(values.min()),
        "median": float(median),
        "p95": float(p95),
        "p99": float(p99),
        "slowest": float(values.max()),
        "count": len(values),
    }


def tracebacks(log: Path) -> list[str]:
    """Return all tracebacks except those of visitors who disconnect during an upload."""
    logged = log.read_text(encoding="utf-8", errors="replace")
    found = re.findall(r"^Traceback \(most recent call last\):\n(?:[ \n].*\n|\n)*.*$", logged, re.MULTILINE)
    return [text for text in found if not text.endswith("\nstarlette.requests.ClientDisconnect")]


def report(
    title: str, rows: Sequence[Mapping[str, object]], targets: Sequence[Target], path: Path, **more: object
) -> int:
    """Print a table, the machine and each target, and write it all to `path`; return the exit status."""
    machine = this_machine()
    print(f"\n{title}")
    print(
        f"{machine.processor}, {machine.cores} cores, PyTorch {machine.torch}, Python {machine.python}; ",
        end="",
    )
    load = psutil.getloadavg()[0] / machine.cores
    print(f"load {load:.2f} per core{', NOT IDLE' if load > 1.5 else ''}; {now()}\n")
    _print_table(rows)
    print()
    for target in targets:
        sign, verdict = "at least" if target.at_least else "at most", "met" if target.met else "MISSED"
        print(f"{verdict:7} {target.what}: {target.measured:.4g} {target.unit} ({sign} {target.limit:g})")
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "title": title,
        "when": now(),
        "machine": asdict(machine),
        "load_per_core": load,
        "rows": list(rows),
        "targets": [
            {**asdict(target), "measured": float(target.measured), "met": target.met} for target in targets
        ],
        **more,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\nWritten to {path}")
    return 0 if all(target.met for target in targets) else 1


def _print_table(rows: Sequence[Mapping[str, object]]) -> None:
    if not rows:
        return
    table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join((line[0].ljust(widths[0]), *others)) if others else first)


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
