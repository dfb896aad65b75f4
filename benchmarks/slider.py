"""One slider move on the detection page: what the server takes from the message to the end of the run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.report import Target, options, photo_file, report, spread, trained_weights
from benchmarks.visitor import Visitor, served

_LIMITS = {1: 30.0, 12: 60.0}  # milliseconds for a photo of so many megapixels


def main() -> int:
    parser = options(__doc__, "slider")
    parser.add_argument("--moves", type=int, default=60)
    given = parser.parse_args()
    trained_weights(given.weights)
    rows, targets = [], []
    with tempfile.TemporaryDirectory() as folder, served(given.weights, Path(folder, "log")) as dashboard:
        for megapixels, limit in _LIMITS.items():
            with Visitor(dashboard.address, "detection") as visitor:
                visitor.upload("Your photos", "photo.jpg", photo_file(megapixels))
                values = np.resize((0.3, 0.5, 0.7, 0.4, 0.6), given.moves + 5)
                moves = [visitor.slide("Confidence", float(value)) for value in values][5:]
            rows.append({"photo": f"{megapixels} MP", **spread(moves)})
            targets.append(
                Target(f"slider move, {megapixels} MP, median", float(np.median(moves)), limit, "ms")
            )
    return report("Slider moves, milliseconds", rows, targets, given.json)


if __name__ == "__main__":
    sys.exit(main())
