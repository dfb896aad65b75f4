"""The child process that measures one way to run a model: an engine that crashes ends here and nowhere else.

Input: one line of JSON, a `DeploymentTask`. Output: lines of JSON. `{"done": N}` after each round, then one
line with the results, or `{"refused": SENTENCE}` where the engine does not run the file, or a photo cannot be
read. PyTorch is imported only where it is the engine, so that memory and load time are those of the engine.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from featherface.detection.detections import Detections
from featherface.detection.detector import Detector
from featherface.detection.settings import DetectionSettings
from featherface.engines.protocol import Precision
from featherface.errors import FeatherFaceError
from featherface.export.parity import found_faces
from featherface.export.sample_images import input_images
from featherface.export.variants import ExportFormat, Variant, load_variant
from featherface.profiling.photo_timing import STAGES, timed_detection

__all__ = ["DeploymentTask"]

_MEMORY = 12 * 2**30  # bytes of address space; libraries of all engines reserve up to 5 GiB


class DeploymentTask(NamedTuple):
    """What to measure, in plain values for JSON."""

    model: str  # key in MODELS
    engine: str
    precision: str
    format: str | None
    deformconv: bool
    path: str  # of the model file
    photo: str  # timed from file to faces
    samples: tuple[str, ...]  # photos whose faces are compared
    input_size: int  # input size, pixels
    threads: int
    runs: int
    warmup: int


def main() -> None:
    """Measure one task."""
    _limit_memory()
    task = DeploymentTask(**json.loads(sys.stdin.readline()))
    try:
        _write(_measured(task))
    except FeatherFaceError as error:
        _write({"refused": str(error)})


def _measured(task: DeploymentTask) -> Mapping[str, object]:
    variant = Variant(
        task.engine,
        Precision(task.precision),
        None if task.format is None else ExportFormat(task.format),
        task.deformconv,
    )
    start = time.perf_counter()
    engine = load_variant(variant, Path(task.path), task.model, task.threads)
    loaded = 1000 * (time.perf_counter() - start)
    faces = found_faces(engine, input_images([Path(path) for path in task.samples]))
    detector, photo = Detector(engine), Path(task.photo).read_bytes()
    settings = DetectionSettings(input_size=task.input_size)
    milliseconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    wall = processor = 0.0
    for number in range(task.warmup + task.runs):
        wall_start, processor_start = time.perf_counter(), time.process_time()
        stages = timed_detection(detector, photo, settings)
        if number >= task.warmup:
            wall += time.perf_counter() - wall_start
            processor += time.process_time() - processor_start
            for stage, spent in stages.items():
                milliseconds[stage].append(spent)
        _write({"done": number + 1})
    return {
        "load_milliseconds": loaded,
        "milliseconds": milliseconds,
        "cpu_share": processor / wall,
        "peak_bytes": _peak_bytes(),
        "engine_version": engine.info.version,
        "faces": [_as_lists(found) for found in faces],
    }


def _as_lists(found: Detections) -> Mapping[str, object]:
    arrays = {"boxes": found.boxes, "scores": found.scores, "landmarks": found.landmarks}
    return {name: array.tolist() for name, array in arrays.items()}


def _peak_bytes() -> int:
    """Return the most memory that this process has occupied; 0 where the system does not say."""
    status = Path("/proc/self/status")  # Linux; its getrusage also counts the process that started this one
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    with suppress(ImportError):  # Windows
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return 0


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _write(message: Mapping[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
