"""Time from the start of the server process until the first visitor has the complete first page."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.benchmark_report import Target, options, report, spread
from benchmarks.visitor import Visitor, served

_TARGET = 4_000.0  # milliseconds


def main() -> int:
    parser = options(__doc__, "startup")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--page", default="", help="path of the page; empty for the first page")
    given = parser.parse_args()
    healthy, opened, rendered, processor = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.starts):
            with served(given.weights, Path(folder) / "log.txt") as dashboard:
                healthy.append(1000 * (time.perf_counter() - dashboard.started))
                with Visitor(dashboard.address, given.page) as visitor:
                    rendered.append(1000 * (time.perf_counter() - dashboard.started))
                    opened.append(visitor.opened)
                    processor.append(1000 * dashboard.processor_seconds())
    rows = [
        {"what": "process start to health check", **spread(healthy)},
        {"what": "first visitor's wait for the page", **spread(opened)},
        {"what": "process start to complete page", **spread(rendered)},
        {"what": "processor time of the server until then", **spread(processor)},
    ]
    target = Target("process start to complete page, median", float(np.median(rendered)), _TARGET, "ms")
    return report(
        f"Cold start, milliseconds, {given.starts} starts (files are in the system's cache after the first)",
        rows,
        [target],
        given.json,
        page=given.page or "(first)",
    )


if __name__ == "__main__":
    sys.exit(main())
