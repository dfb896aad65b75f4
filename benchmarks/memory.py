"""Whether memory stays flat over many different 12-megapixel photos: the model service, the dashboard."""

from __future__ import annotations

import gc
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.report import Target, options, photo_file, report, trained_weights
from benchmarks.visitor import Visitor, served
from featherface.detection.images import decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.service import ModelService

_TARGET = 100.0  # MB of growth
_MEGAPIXELS = 12


def main() -> int:
    parser = options(__doc__, "memory")
    parser.add_argument("--photos", type=int, default=200, help="through the service")
    parser.add_argument(
        "--uploads", type=int, default=60, help="through the dashboard, by a new visitor each"
    )
    parser.add_argument(
        "--filling", type=int, default=30, help="of the uploads, before its bounded caches are full"
    )
    given = parser.parse_args()
    trained_weights(given.weights)
    curves = {"service": through_service(given.weights, given.photos)}
    if given.uploads:
        curves["dashboard"] = through_dashboard(given.weights, given.uploads)
    starts = {"service": 10, "dashboard": given.filling}
    rows, targets = [], []
    for name, curve in curves.items():
        start = min(starts[name], len(curve) - 1)
        growth = max(curve[start:]) - curve[start]
        rows.append(
            {
                "what": name,
                "photos": len(curve),
                "after the first, MB": curve[0],
                "warm, MB": curve[start],
                "highest since, MB": max(curve[start:]),
                "at the end, MB": curve[-1],
            }
        )
        targets.append(
            Target(f"{name}, growth over photos {start + 1} to {len(curve)}", growth, _TARGET, "MB")
        )
    return report(
        f"Resident memory over different {_MEGAPIXELS}-megapixel photos",
        rows,
        targets,
        given.json,
        megabytes=curves,
    )


def through_service(weights: Path, photos: int) -> Sequence[float]:
    """Return the resident memory in MB after each photo."""
    service, process = ModelService(weights), psutil.Process()
    curve = []
    for seed in range(photos):
        photo = decode_photo(photo_file(_MEGAPIXELS, seed))
        for key in MODELS:
            service.detect(photo, key, DetectionSettings())
        del photo
        gc.collect()
        curve.append(process.memory_info().rss / 1e6)
    return curve


def through_dashboard(weights: Path, uploads: int) -> Sequence[float]:
    """Return the server's resident memory in MB after each visitor has come, uploaded, moved and gone."""
    curve = []
    with tempfile.TemporaryDirectory() as folder, served(weights, Path(folder) / "log.txt") as dashboard:
        for seed in range(uploads):
            with Visitor(dashboard.address, "detection") as visitor:
                visitor.upload("Your photos", f"{seed}.jpg", photo_file(_MEGAPIXELS, seed))
                visitor.slide("Confidence", 0.4)
            curve.append(dashboard.memory / 1e6)
    return curve


if __name__ == "__main__":
    sys.exit(main())
