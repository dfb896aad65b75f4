"""How long the server takes for each page once its caches are warm, and the first time."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.benchmark_report import Target, options, report, spread, taking_turns, trained_weights
from benchmarks.visitor import ROOT, Visitor, served

_TARGET = 1_500.0  # milliseconds


def main() -> int:
    parser = options(__doc__, "page_times")
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    trained_weights(given.weights)
    pages = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
    with (
        tempfile.TemporaryDirectory() as folder,
        served(given.weights, Path(folder) / "log.txt") as dashboard,
    ):
        visitors = {page: Visitor(dashboard.address, page) for page in pages}
        first = {page: visitor.opened for page, visitor in visitors.items()}
        times = taking_turns(
            {page: (lambda _, page=page: visitors[page].go(page)) for page in pages}, given.rounds, 1
        )
    rows = [{"page": page, "first time": first[page], **spread(each)} for page, each in times.items()]
    targets = [
        Target(f"{page}, median", float(np.median(each)), _TARGET, "ms") for page, each in times.items()
    ]
    return report(
        f"Each page over the web socket, milliseconds, {given.rounds} rounds", rows, targets, given.json
    )


if __name__ == "__main__":
    sys.exit(main())
