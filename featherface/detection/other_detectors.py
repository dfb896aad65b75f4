"""The detectors that are not FeatherFace, run on photos like the models.

A file that a visitor uploads is first tried in a process of its own (`detector_trial`), so that one that
crashes a library or takes too much memory or time ends with a sentence and not with the server.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import BoundedSemaphore

from featherface.config import DEFAULT_INPUT_SIZE
from featherface.detection.centerface import CenterFace
from featherface.detection.detector import RawResult
from featherface.detection.face_finder import FaceFinder, FinderError
from featherface.detection.images import Photo, memory_errors_as_sentence
from featherface.detection.preprocess import Resize, prepare
from featherface.detection.yunet import YuNet
from featherface.engines.protocol import EngineInfo

__all__ = ["OtherDetector", "load_finder", "try_model_file"]

_ROOT = Path(__file__).resolve().parents[2]
_TRIAL_SECONDS = 60  # YuNet and CenterFace take about 3 s, and four times that on a busy machine
_TRIALS = BoundedSemaphore(1)  # files tried at once
# by key in OTHER_DETECTORS; the registry needs PyTorch, and a trial starts faster without it
_FINDERS: Mapping[str, Callable[[bytes, int], FaceFinder]] = {"yunet": YuNet, "centerface": CenterFace}


class OtherDetector:
    """A face finder that runs on photos as `Detector` does. Threads may share it."""

    def __init__(self, finder: FaceFinder) -> None:
        self.finder = finder

    @property
    def info(self) -> EngineInfo:
        """What runs the detector."""
        return self.finder.info

    @memory_errors_as_sentence("A photo", "choose a smaller input size or try again later")
    def candidates(
        self, photos: Sequence[Photo], resize: Resize = Resize.FIT, input_size: int = DEFAULT_INPUT_SIZE
    ) -> list[RawResult]:
        """Return the raw candidates of each photo, in order. Raises FinderError and ImageError."""
        return [self._run(photo, resize, input_size) for photo in photos]

    def _run(self, photo: Photo, resize: Resize, input_size: int) -> RawResult:
        start = time.perf_counter()
        prepared = prepare(photo, resize, input_size)
        ready = time.perf_counter()
        found = self.finder.find(prepared.image)
        done = time.perf_counter()
        height, width = prepared.size
        candidates = found.scaled(prepared.extent[0] / width, prepared.extent[1] / height)
        milliseconds = {
            "preprocess": 1000 * (ready - start),
            "network": 1000 * (done - ready),
            "postprocess": 1000 * (time.perf_counter() - done),
        }
        return RawResult(candidates, milliseconds, prepared.size)


def load_finder(key: str, model: bytes, threads: int = 1) -> FaceFinder:
    """Load a checked ONNX model as the detector `key` in OTHER_DETECTORS. Raises FinderError."""
    return _FINDERS[key](model, threads)


def try_model_file(key: str, model: bytes) -> None:
    """Run a checked ONNX model as detector `key` at a small and at the largest input, in another process.

    Raises FinderError where it cannot be run, crashes, or takes more memory or time than a photo may.
    """
    command = [sys.executable, "-m", "featherface.detection.detector_trial", key]
    with _TRIALS:
        try:
            tried = subprocess.run(
                command, cwd=_ROOT, input=model, capture_output=True, timeout=_TRIAL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise FinderError(
                f"The model file takes more than {_TRIAL_SECONDS} s; choose another."
            ) from error
    if tried.returncode != 0:
        reason = tried.stdout.decode(errors="replace").strip()
        raise FinderError(reason or "The model file crashes the library that runs it; choose another.")
