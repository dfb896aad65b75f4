"""Memory of the dashboard's server while a visitor uploads many different 12 MP photos."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.report import Target, options, photo_file, report, trained_weights
from benchmarks.visitor import Visitor, served

_MEGABYTE = 1e6
_LIMIT = 100.0  # MB of growth after the caches are full
_SETTLED = 20  # photos after which the bounded caches are full


def main() -> int:
    parser = options(__doc__, "memory")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument(
        "--each", type=int, default=5, help="photos a visitor brings before the next one comes"
    )
    given = parser.parse_args()
    trained_weights(given.weights)
    curve: list[float] = []
    with tempfile.TemporaryDirectory() as folder, served(given.weights, Path(folder, "log")) as dashboard:
        for first in range(0, given.photos, given.each):
            with Visitor(dashboard.address, "detection") as visitor:
                for seed in range(first, min(first + given.each, given.photos)):
                    visitor.upload("Your photos", f"{seed}.jpg", photo_file(12, seed))
                    curve.append(dashboard.memory / _MEGABYTE)
    marks = sorted({0, min(_SETTLED, len(curve) - 1), len(curve) // 2, len(curve) - 1})
    rows = [{"photos": mark + 1, "resident MB": curve[mark]} for mark in marks]
    growth = curve[-1] - curve[min(_SETTLED, len(curve) - 1)]
    targets = [Target(f"growth from photo {_SETTLED + 1} to {len(curve)}", growth, _LIMIT, "MB")]
    return report("Resident memory of the server", rows, targets, given.json, curve_mb=curve)


if __name__ == "__main__":
    sys.exit(main())
