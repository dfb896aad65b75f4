"""From starting `streamlit run app.py` until the first visitor has the whole first page."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.markdown_report import Target, options, report, spread
from benchmarks.visitor import Visitor, served

_TARGET = 6_000.0  # milliseconds


def main() -> int:
    parser = options(__doc__, "startup")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--page", default="", help="the page's path in the address; the first page if empty")
    given = parser.parse_args()
    healthy, rendered, imports = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.starts):
            with served(given.weights, Path(folder) / "log.txt") as dashboard:
                healthy.append(1000 * (time.perf_counter() - dashboard.started))
                with Visitor(dashboard.address, given.page) as visitor:
                    rendered.append(1000 * (time.perf_counter() - dashboard.started))
                    imports.append(visitor.opened)
    rows = [
        {"what": "server answers its health check", **spread(healthy)},
        {"what": "first visitor waits for the page", **spread(imports)},
        {"what": "process start to first page", **spread(rendered)},
    ]
    target = Target("process start to first page, median", float(np.median(rendered)), _TARGET, "ms")
    return report(
        f"Cold start, milliseconds, {given.starts} starts (files in the system's cache after the first)",
        rows,
        [target],
        given.json,
        page=given.page or "(first)",
    )


if __name__ == "__main__":
    sys.exit(main())
