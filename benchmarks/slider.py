"""One move of the confidence slider on the detection page, from the message sent to the last one received.

The dashboard runs in a process of its own. The time includes
everything that the server does for one move, and the decoding of its answer by the visitor.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import page_labels
from benchmarks.benchmark_report import (
    Target,
    options,
    photo_file,
    report,
    spread,
    taking_turns,
    trained_weights,
)
from benchmarks.visitor import Visitor, served
from featherface.detection.agreement import agreement
from featherface.detection.images import decode_photo
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.models import MODELS
from featherface.serving.model_service import ModelService

_TARGETS = {1: 30.0, 12: 60.0}  # milliseconds by megapixels of the photo


def main() -> int:
    parser = options(__doc__, "slider")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=15)
    given = parser.parse_args()
    trained_weights(given.weights)
    photos = {size: photo_file(size) for size in _TARGETS}
    rows, targets = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        served(given.weights, Path(folder) / "log.txt") as dashboard,
    ):
        visitors = {size: Visitor(dashboard.address, "detection") for size in photos}
        for size, visitor in visitors.items():
            visitor.upload(page_labels.PHOTOS, f"{size}.jpg", photos[size])
        before = dashboard.processor_seconds()
        times = taking_turns(
            {size: moving(visitor) for size, visitor in visitors.items()}, given.rounds, given.warmup
        )
        spent = dashboard.processor_seconds() - before
    for size, each in times.items():
        rows.append({"what": f"whole move, {size} MP, over the web socket", **spread(each)})
        targets.append(
            Target(f"slider move, {size} MP, median", float(np.median(each)), _TARGETS[size], "ms")
        )
    filtering = taking_turns(
        {size: filtering_alone(given.weights, photo) for size, photo in photos.items()},
        given.rounds,
        given.warmup,
    )
    rows += [
        {"what": f"of it NMS and agreement, {size} MP", **spread(each)} for size, each in filtering.items()
    ]
    moves = len(times) * (given.rounds + given.warmup)
    print(f"The server spent {1000 * spent / moves:.1f} ms of processor time per move, on all its threads.")
    return report(
        f"A slider move, milliseconds, {given.rounds} alternating moves",
        rows,
        targets,
        given.json,
        server_processor_ms_per_move=1000 * spent / moves,
    )


def moving(visitor: Visitor):  # noqa: ANN201
    return lambda turn: visitor.slide(page_labels.CONFIDENCE, 0.3 + 0.01 * (turn % 40))


def filtering_alone(weights: Path, data: bytes):  # noqa: ANN201
    service, photo = ModelService(weights), decode_photo(data)
    candidates = [service.candidates(photo, key, Resize.FIT, 640).detections for key in MODELS]
    return lambda turn: agreement(*(select(each, 0.3 + 0.01 * (turn % 40), 0.4) for each in candidates))


if __name__ == "__main__":
    sys.exit(main())
