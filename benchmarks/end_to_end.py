"""Time from a decoded photo to faces: this project vs the study's implementation, on the same photo."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.markdown_report import (
    Target,
    options,
    report,
    same_photo_again,
    spread,
    taking_turns,
    trained_weights,
)
from benchmarks.study_pipeline import detect_faces
from featherface.checkpoints import load_network
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector
from featherface.detection.images import Photo, decode_photo
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.engines.choice import load_engine
from featherface.models import MODELS
from featherface.profiling.machine import torch_threads
from featherface.serving.model_service import ModelService
from featherface.study.measurements import STUDY_MODELS

_TARGETS = dict(zip(STUDY_MODELS, (1.5, 3.0), strict=True))  # times faster than the study's implementation
_SAMPLE = Path(__file__).resolve().parents[1] / "assets/samples/eileen_collins.jpg"
_SETTINGS = DetectionSettings(confidence=0.02, nms_iou=0.4, resize=Resize.STUDY, input_size=640)


def main() -> int:
    parser = options(__doc__, "end_to_end")
    parser.add_argument("--photo", type=Path, default=_SAMPLE)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--warmup", type=int, default=5)
    given = parser.parse_args()
    photo = decode_photo(given.photo)
    files = trained_weights(given.weights)
    service, cores = ModelService(given.weights), os.cpu_count() or 1
    rows, targets = [], []
    for key, target in _TARGETS.items():
        entry = MODELS[key]
        network = load_network(entry, files[key].path)
        detector = Detector(load_engine(network))
        calls = {
            f"study, {cores} threads (its default)": on_threads(cores, studied(network, photo)),
            "service (one core per pass)": served(service, key, photo),
            f"detector, {cores} threads": on_threads(cores, detected(detector, photo)),
            "study, 1 thread": on_threads(1, studied(network, photo)),
            "detector, 1 thread": on_threads(1, detected(detector, photo)),
        }
        times = taking_turns(calls, given.rounds, given.warmup)
        default, service_times, all_cores, study_one, ours_one = (np.median(each) for each in times.values())
        reference = {
            name: default if str(cores) in name or "service" in name else study_one for name in times
        }
        rows += [
            {
                "model and way": f"{entry.name}: {name}",
                **spread(each),
                "times faster": float(reference[name] / np.median(each)),
            }
            for name, each in times.items()
        ]
        faster = f"{entry.name}, times faster than the study's implementation"
        targets += [
            Target(f"{faster}: service against its default", default / service_times, target, "x", True),
            Target(f"{faster}: all cores each", default / all_cores, target, "x", True),
            Target(f"{faster}: one thread each", study_one / ours_one, target, "x", True),
            *same_faces(entry.name, network, detector, photo),
        ]
    return report(
        f"From photo to faces at 640 x 640, milliseconds, {given.rounds} alternating rounds",
        rows,
        targets,
        given.json,
        photo=f"{given.photo.name}, {photo.width} x {photo.height}",
        weights={key: file.sha256 for key, file in files.items()},
    )


def studied(network: torch.nn.Module, photo: Photo) -> Callable[[int], object]:
    bgr = np.ascontiguousarray(photo.pixels[:, :, ::-1])
    return lambda _: detect_faces(network, bgr)


def detected(detector: Detector, photo: Photo) -> Callable[[int], object]:
    return lambda _: detector.detect(photo, _SETTINGS)


def served(service: ModelService, key: str, photo: Photo) -> Callable[[int], object]:
    return lambda turn: service.detect(same_photo_again(photo, turn), key, _SETTINGS)


def on_threads(count: int, call: Callable[[int], object]) -> Callable[[int], object]:
    def run(turn: int) -> object:
        with torch_threads(count):
            return call(turn)

    return run


def same_faces(name: str, network: torch.nn.Module, detector: Detector, photo: Photo) -> Sequence[Target]:
    """Compare the faces of both implementations at the study's threshold."""
    boxes, scores, _ = detect_faces(network, np.ascontiguousarray(photo.pixels[:, :, ::-1]))
    found: Detections = detector.detect(photo, _SETTINGS)
    if len(found) != len(boxes):
        return [
            Target(
                f"{name}, difference in the number of faces",
                abs(len(boxes) - len(found)),
                0,
                "",
            )
        ]
    order = np.argsort(-scores, kind="stable")
    farthest = partial(np.max, initial=0.0)
    return [
        Target(
            f"{name}, same {len(found)} faces: largest shift of a corner",
            float(farthest(np.abs(boxes[order] - found.boxes))),
            0.5,
            "px",
        ),
        Target(
            f"{name}, largest difference of a score",
            float(farthest(np.abs(scores[order] - found.scores))),
            1e-3,
            "",
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
