"""Time from a decoded photo to faces: this project vs the study's implementation, on the same photo."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.benchmark_report import (
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
from featherface.detection.preprocess import Resize, prepare
from featherface.detection.settings import DetectionSettings
from featherface.engines.choice import load_engine
from featherface.engines.protocol import Engine
from featherface.models import MODELS
from featherface.profiling.machine import torch_threads
from featherface.serving.model_service import ModelService
from featherface.study.measurements import STUDY_MODELS

_SAMPLE = Path(__file__).resolve().parents[1] / "assets/samples/solvay_1927.jpg"
_SETTINGS = DetectionSettings(confidence=0.02, nms_iou=0.4, resize=Resize.STUDY, input_size=640)


@dataclass(frozen=True)
class _Aims:
    """What one model should reach."""

    one_thread: float  # times faster than the study's implementation
    all_cores: float  # the same
    bare_pass: float | None  # times as long as the engine's bare pass, at most


_AIMS = dict(zip(STUDY_MODELS, (_Aims(2.5, 2.5, None), _Aims(3.0, 5.0, 1.3)), strict=True))


@dataclass(frozen=True)
class Way:
    """A way from the photo to faces; `call` takes the number of the round."""

    name: str
    call: Callable[[int], object]
    threads: int  # of PyTorch and OpenCV


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
    for key, aims in _AIMS.items():
        entry = MODELS[key]
        network = load_network(entry, files[key].path)
        alone, together = Detector(load_engine(network)), Detector(load_engine(network, threads=cores))
        ways = (
            Way(f"study, {cores} threads (its default)", studied(network, photo), cores),
            Way("service, one core per pass", served(service, key, photo), cores),
            Way(f"detector, {cores} threads", detected(together, photo), cores),
            Way("study, 1 thread", studied(network, photo), 1),
            Way("detector, 1 thread", detected(alone, photo), 1),
            Way("engine's bare pass, 1 thread", bare(alone.engine, photo), 1),
        )
        times = taking_turns({way.name: on_threads(way) for way in ways}, given.rounds, given.warmup)
        study_all, serving, all_cores, study_one, one_thread, bare_pass = (
            float(np.median(each)) for each in times.values()
        )
        rows += [
            {
                "model and way": f"{entry.name}: {way.name}",
                **spread(times[way.name]),
                "times faster": (study_one if way.threads == 1 else study_all)
                / float(np.median(times[way.name])),
            }
            for way in ways
        ]
        faster = f"{entry.name}, times faster than the study's implementation"
        targets += [
            Target(f"{faster}: service against its default", study_all / serving, aims.all_cores, "x", True),
            Target(f"{faster}: all cores each", study_all / all_cores, aims.all_cores, "x", True),
            Target(f"{faster}: one thread each", study_one / one_thread, aims.one_thread, "x", True),
            *same_faces(entry.name, network, alone, photo),
        ]
        if aims.bare_pass is not None:
            longer = f"{entry.name}, one thread: times as long as the engine's bare pass"
            targets.append(Target(longer, one_thread / bare_pass, aims.bare_pass, "x"))
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


def bare(engine: Engine, photo: Photo) -> Callable[[int], object]:
    images = prepare(photo, _SETTINGS.resize, _SETTINGS.input_size).image[None]
    return lambda _: engine.run(images)


def on_threads(way: Way) -> Callable[[int], object]:
    def run(turn: int) -> object:
        before = cv2.getNumThreads()
        cv2.setNumThreads(way.threads)
        try:
            with torch_threads(way.threads):
                return way.call(turn)
        finally:
            cv2.setNumThreads(before)

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
