"""Server time of each page once caches are warm, and of the very first page from the start of the process."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.report import Target, options, report, spread, trained_weights
from benchmarks.visitor import Visitor, served

_PAGES = ("overview", "detection", "architecture", "flops", "speed", "accuracy")
_PAGE_LIMIT = 1500.0  # milliseconds
_START_LIMIT = 6.0  # seconds


def main() -> int:
    parser = options(__doc__, "pages")
    parser.add_argument("--visits", type=int, default=8)
    parser.add_argument("--starts", type=int, default=3)
    given = parser.parse_args()
    trained_weights(given.weights)
    starts = [_start(given.weights) for _ in range(given.starts)]
    rows, targets = (
        [],
        [Target("process start to first page, median", float(np.median(starts)), _START_LIMIT, "s")],
    )
    with tempfile.TemporaryDirectory() as folder, served(given.weights, Path(folder, "log")) as dashboard:
        for page in _PAGES:
            visits = [_opened(dashboard.address, page) for _ in range(given.visits + 1)]
            rows.append({"page": page, "cold": visits[0], **spread(visits[1:])})
            targets.append(Target(f"{page}, warm, median", float(np.median(visits[1:])), _PAGE_LIMIT, "ms"))
    return report("Pages, milliseconds", rows, targets, given.json, starts_s=starts)


def _start(weights: Path) -> float:
    """Return the seconds from starting the server to the end of the detection page's first run."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(weights, Path(folder, "log")) as dashboard,
        Visitor(dashboard.address, "detection"),
    ):
        return time.perf_counter() - dashboard.started


def _opened(address: str, page: str) -> float:
    with Visitor(address, page) as visitor:
        return visitor.opened


if __name__ == "__main__":
    sys.exit(main())
