"""Memory of the model service and of the dashboard over many different 12-megapixel photos."""

from __future__ import annotations

import gc
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks import page_labels
from benchmarks.benchmark_report import Target, options, photo_file, report, trained_weights
from benchmarks.visitor import Visitor, served
from featherface.detection.images import decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.serving.model_service import ModelService

_TARGET = 100.0  # MB of growth
_MEGAPIXELS = 12
_CLOSING = 180  # seconds after which as many sessions are closed as are opened, and bounded caches are full


def main() -> int:
    parser = options(__doc__, "service_memory")
    parser.add_argument("--photos", type=int, default=200, help="through the service")
    parser.add_argument(
        "--minutes", type=float, default=7, help="through the dashboard, by a new visitor each"
    )
    given = parser.parse_args()
    trained_weights(given.weights)
    curves = {
        "service": through_service(given.weights, given.photos),
        "dashboard": through_dashboard(given.weights, 60 * given.minutes),
    }
    starts = {"service": 10, "dashboard": len(curves["dashboard"]) * _CLOSING // round(60 * given.minutes)}
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


def through_dashboard(weights: Path, seconds: float) -> Sequence[float]:
    """Return the server's resident memory in MB after each visitor has come, uploaded, moved and gone."""
    curve = []
    with tempfile.TemporaryDirectory() as folder, served(weights, Path(folder) / "log.txt") as dashboard:
        ending = time.monotonic() + seconds
        for seed in itertools.takewhile(lambda _: time.monotonic() < ending, itertools.count()):
            with Visitor(dashboard.address, "detection") as visitor:
                visitor.upload(page_labels.PHOTOS, f"{seed}.jpg", photo_file(_MEGAPIXELS, seed))
                visitor.slide(page_labels.CONFIDENCE, 0.4)
            curve.append(dashboard.memory / 1e6)
    return curve


if __name__ == "__main__":
    sys.exit(main())
