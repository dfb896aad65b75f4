"""Latency of the models on this machine, and how reliable the measurement is.

The models run alternately on the same input, so that a busy moment or a warming processor affects all of
them. Confidence intervals resample whole rounds (Efron's bootstrap).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import nn

from featherface.config import DEFAULT_INPUT_SIZE
from featherface.detection.detector import Detector
from featherface.detection.face_finder import FaceFinder
from featherface.detection.images import decode_photo
from featherface.detection.other_detectors import OtherDetector, load_finder
from featherface.detection.preprocess import prepare
from featherface.detection.settings import DetectionSettings
from featherface.engines.choice import ENGINES, default_engine, load_engine
from featherface.engines.protocol import Engine, Precision
from featherface.errors import FeatherFaceError
from featherface.models import MODELS
from featherface.profiling.layers import check_size
from featherface.profiling.machine import Machine, now, this_machine
from featherface.profiling.photo_timing import STAGES, timed_detection

__all__ = [
    "NOISE_LIMITS",
    "STAGES",
    "BenchmarkError",
    "BenchmarkPhoto",
    "LatencyResult",
    "LatencySettings",
    "LatencySummary",
    "Noise",
    "NoiseLimit",
    "Progress",
    "SpeedUp",
    "TimedPhoto",
    "benchmark",
    "from_record",
    "noise",
    "speed_up",
    "summary",
    "variations",
]

_RESAMPLES = 2000  # of the bootstrap; the interval's ends then move by about 1% of its width
_QUANTILES = (0.025, 0.975)


class BenchmarkError(FeatherFaceError):
    """Settings that no benchmark can run with; the message names the setting."""


@dataclass(frozen=True)
class LatencySettings:
    """One point to measure. Raises BenchmarkError or InputSizeError for invalid values."""

    height: int = DEFAULT_INPUT_SIZE  # pixels of the network's input
    width: int = DEFAULT_INPUT_SIZE
    batch: int = 1
    threads: int = 1  # of one pass
    runs: int = 50  # rounds to measure; each runs every model once
    warmup: int = 5  # rounds discarded first: memory pools, code caches, processor frequency
    engine: str = field(default_factory=default_engine)  # key in ENGINES
    precision: Precision = Precision.FLOAT32

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        for name, value, least in (
            ("batch size", self.batch, 1),
            ("number of threads", self.threads, 1),
            ("number of rounds", self.runs, 2),
            ("number of warm-up rounds", self.warmup, 0),
        ):
            if value < least:
                raise BenchmarkError(f"The {name} must be at least {least}, not {value}.")
        if self.engine not in ENGINES:
            raise BenchmarkError(f"There is no engine {self.engine!r}; choose from {', '.join(ENGINES)}.")

    @property
    def threads_text(self) -> str:
        """Return the number of threads in words: "1 thread", "2 threads"."""
        return "1 thread" if self.threads == 1 else f"{self.threads} threads"


@dataclass(frozen=True)
class BenchmarkPhoto:
    """An image file to time end to end; `name` is that of the file, for people."""

    name: str
    data: bytes


@dataclass(frozen=True)
class TimedPhoto:
    """The photo that was timed end to end, in pixels, and the size of the network input made of it."""

    name: str  # of the file
    sha256: str  # of the file
    width: int
    height: int
    input_width: int
    input_height: int


@dataclass(frozen=True)
class LatencyResult:
    """What was measured so far at one point.

    `milliseconds` holds one wall time per round, which is one batch, for each model and stage; a run of the
    networks alone has the one stage "network". `photo` is None for that, and unknown in files from before it
    was recorded; with a photo, the input size of `settings` is only its longer side. `cpu_share` is the
    processor time of this process over the wall time of the rounds; what other threads of a server do
    meanwhile counts too and can hide that the networks waited.
    """

    settings: LatencySettings
    machine: Machine
    when: str  # ISO 8601, the start
    milliseconds: Mapping[str, Mapping[str, tuple[float, ...]]]
    cpu_share: float
    complete: bool  # false where the benchmark was stopped or still runs
    engine_version: str = ""  # of the library; unknown where empty
    photo: TimedPhoto | None = None

    @property
    def rounds(self) -> int:
        """Return how many rounds were measured: fewer than `settings.runs` if it was stopped."""
        return min(len(self.times_per_image(key)) for key in self.milliseconds)

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the stages that were timed."""
        return tuple(next(iter(self.milliseconds.values())))

    def times_per_image(self, key: str) -> np.ndarray:
        """Return one model's wall time of each round over the batch size: (R,) float64 milliseconds.

        All stages are added up.
        """
        stages = list(self.milliseconds[key].values())
        batches = np.sum(stages, axis=0, dtype=np.float64) if stages else np.empty(0)
        return np.asarray(batches / self.settings.batch)

    def as_record(self) -> Mapping[str, object]:
        """Return everything, with the number of rounds measured, as values for JSON; see `from_record`."""
        return {**asdict(self), "rounds": self.rounds}


@dataclass(frozen=True)
class LatencySummary:
    """A model's wall times per image in milliseconds; images per second from the median."""

    median: float
    p95: float
    p99: float
    fastest: float
    stages: Mapping[str, float]  # median of each
    frames_per_second: float


@dataclass(frozen=True)
class SpeedUp:
    """How many times faster the second model is: ratio of medians with its 95% confidence interval."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class NoiseLimit:
    """The limit above which a sign of disturbance makes a run noisy, and what happened then."""

    name: str  # for people
    limit: float
    meaning: str


NOISE_LIMITS: Mapping[str, NoiseLimit] = {
    "spread": NoiseLimit("Spread", 0.10, "round times varied widely"),
    "drift": NoiseLimit("Drift", 0.05, "the median changed between the halves of the run"),
    "starvation": NoiseLimit("CPU starvation", 0.10, "other programs used the cores"),
}


@dataclass(frozen=True)
class Noise:
    """Signs of disturbance, those of the worst model; `NOISE_LIMITS` has a limit for each."""

    spread: float  # interquartile range over median
    drift: float  # change of the median from the first half to the second, either way
    starvation: float  # share of the wall time without even one core at work
    reasons: tuple[str, ...]  # one sentence for each limit exceeded

    @property
    def noisy(self) -> bool:
        """Return whether any limit was exceeded."""
        return bool(self.reasons)


@dataclass(frozen=True)
class Progress:
    """The state of a benchmark after a round."""

    done: int  # rounds, warm-up included
    total: int
    remaining_seconds: float  # estimated from pixels done and to do
    results: tuple[LatencyResult, ...]  # finished points and the one at work


def benchmark(
    networks: Mapping[str, nn.Module],
    points: Sequence[LatencySettings],
    photo: BenchmarkPhoto | None = None,
    detectors: Mapping[str, bytes] = MappingProxyType({}),
) -> Iterator[Progress]:
    """Time the networks against each other at each point; yields after every round.

    Stop by dropping the iterator; the last progress holds what was measured. With `photo`, everything from
    decoding to faces is timed, fitted to each point's longer side; otherwise the networks alone on random
    pixels. Both run in each point's engine. `detectors` are checked ONNX models of other detectors by key;
    they run in the engine of their own, and alone on a grey image, so that the decoding of the outputs, which
    counts as network time, has nothing to decode. Raises BenchmarkError, EngineError, FinderError and
    ImageError.
    """
    if photo is not None and any(point.batch > 1 for point in points):
        raise BenchmarkError("End-to-end timing processes one photo at a time; set the batch size to 1.")
    runners = _runners(networks, None if photo is None else photo.data, detectors)
    timed = dict.fromkeys(points) if photo is None else _timed_photos(photo, points)
    finished: list[LatencyResult] = []
    total = sum(point.warmup + point.runs for point in points)
    work = sum(_work(point) * (point.warmup + point.runs) for point in points)
    done, worked, start = 0, 0, time.perf_counter()
    for point in points:
        for result in _measure(*runners(point), point, timed[point]):
            done, worked = done + 1, worked + _work(point)
            remaining = (time.perf_counter() - start) / worked * (work - worked)
            yield Progress(done, total, remaining, (*finished, result))
        finished.append(result)


def variations(
    base: LatencySettings,
    input_sizes: Sequence[int] = (),
    batches: Sequence[int] = (),
    threads: Sequence[int] = (),
    engines: Sequence[str] = (),
) -> tuple[LatencySettings, ...]:
    """Return points that differ from `base` in one setting at a time: input size, batch, threads, engine."""
    return (
        *(replace(base, height=input_size, width=input_size) for input_size in input_sizes),
        *(replace(base, batch=batch) for batch in batches),
        *(replace(base, threads=count) for count in threads),
        *(replace(base, engine=key) for key in engines),
    )


def summary(result: LatencyResult, key: str) -> LatencySummary:
    """Return the median and the tail of one model's wall times per image."""
    times, batch = result.times_per_image(key), result.settings.batch
    median, p95, p99 = (float(value) for value in np.percentile(times, (50, 95, 99)))
    return LatencySummary(
        median=median,
        p95=p95,
        p99=p99,
        fastest=float(times.min()),
        stages={
            stage: float(np.median(values)) / batch for stage, values in result.milliseconds[key].items()
        },
        frames_per_second=1000 / median,
    )


def speed_up(result: LatencyResult, first: str, second: str) -> SpeedUp:
    """Return how many times faster model `second` is than `first`, keys of the result; always the same."""
    slow, fast = result.times_per_image(first), result.times_per_image(second)
    rounds = np.random.default_rng(0).integers(len(slow), size=(_RESAMPLES, len(slow)))
    ratios = np.median(slow[rounds], axis=1) / np.median(fast[rounds], axis=1)  # paired: the same rounds
    low, high = np.quantile(ratios, _QUANTILES)
    return SpeedUp(float(np.median(slow) / np.median(fast)), float(low), float(high))


def noise(result: LatencyResult) -> Noise:
    """Judge how disturbed a run was."""
    per_image = [result.times_per_image(key) for key in result.milliseconds]
    signs = {
        "spread": max(_interquartile_range(times) / float(np.median(times)) for times in per_image),
        "drift": max(_drift(times) for times in per_image),
        "starvation": max(0.0, 1 - result.cpu_share),
    }
    reasons = tuple(
        f"{limit.name} is {signs[name]:.0%} (limit {limit.limit:.0%}): {limit.meaning}."
        for name, limit in NOISE_LIMITS.items()
        if signs[name] > limit.limit
    )
    return Noise(**signs, reasons=reasons)


def from_record(record: Mapping[str, Any]) -> LatencyResult:
    """Return the result that `LatencyResult.as_record` wrote, as read from JSON."""
    milliseconds = {
        key: {stage: tuple(values) for stage, values in stages.items()}
        for key, stages in record["milliseconds"].items()
    }
    return LatencyResult(
        settings=_settings(record["settings"]),
        machine=Machine(**record["machine"]),
        when=record["when"],
        milliseconds=milliseconds,
        cpu_share=record["cpu_share"],
        complete=record["complete"],
        engine_version=record["engine_version"],
        photo=TimedPhoto(**record["photo"]) if record.get("photo") else None,  # older files have none
    )


def _settings(record: Mapping[str, Any]) -> LatencySettings:
    precision = Precision(record.get("precision", Precision.FLOAT32))  # older files have none
    return LatencySettings(**{**record, "precision": precision})


_Runner = Callable[[], Mapping[str, float]]  # runs one model once; milliseconds of each stage


def _runners(
    networks: Mapping[str, nn.Module], photo: bytes | None, detectors: Mapping[str, bytes]
) -> Callable[[LatencySettings], tuple[dict[str, _Runner], str]]:
    """Return a function that makes the runners of one point, and tells the version of their engine."""

    @cache
    def engines(key: str, threads: int, precision: Precision) -> dict[str, Engine]:
        if precision not in ENGINES[key].precisions:
            from featherface.export.package import exported_engine  # its libraries take a second

            return {
                model: exported_engine(MODELS[model], network, key, precision, threads)
                for model, network in networks.items()
            }
        named = None if key == default_engine() else key  # the default runs networks without ONNX form too
        return {model: load_engine(network, named, threads, precision) for model, network in networks.items()}

    @cache
    def finders(threads: int) -> dict[str, FaceFinder]:
        return {key: load_finder(key, model, threads) for key, model in detectors.items()}

    def runners(point: LatencySettings) -> tuple[dict[str, _Runner], str]:
        loaded = engines(point.engine, point.threads, point.precision)
        made = {
            model: _network_runner(engine, point)
            if photo is None
            else _photo_runner(Detector(engine), photo, point)
            for model, engine in loaded.items()
        }
        for key, finder in finders(point.threads).items():
            made[key] = (
                _finder_runner(finder, point)
                if photo is None
                else _photo_runner(OtherDetector(finder), photo, point)
            )
        return made, next((engine.info.version for engine in loaded.values()), "")

    return runners


def _network_runner(engine: Engine, point: LatencySettings) -> _Runner:
    shape = (point.batch, point.height, point.width, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def run() -> Mapping[str, float]:
        start = time.perf_counter()
        engine.run(images)
        return {"network": _milliseconds_since(start)}

    return run


def _finder_runner(finder: FaceFinder, point: LatencySettings) -> _Runner:
    # grey: in random pixels YuNet sees thousands of candidates, which take longer than its network
    image = np.full((point.height, point.width, 3), 128, np.uint8)

    def run() -> Mapping[str, float]:
        start = time.perf_counter()
        for _ in range(point.batch):  # one by one: these detectors take no batches
            finder.find(image)
        return {"network": _milliseconds_since(start)}

    return run


def _photo_runner(detector: Detector | OtherDetector, source: bytes, point: LatencySettings) -> _Runner:
    settings = _photo_settings(point)
    return lambda: timed_detection(detector, source, settings)


def _photo_settings(point: LatencySettings) -> DetectionSettings:
    return DetectionSettings(input_size=max(point.height, point.width))


def _timed_photos(
    photo: BenchmarkPhoto, points: Sequence[LatencySettings]
) -> dict[LatencySettings, TimedPhoto | None]:
    """Return what is recorded about the photo at each point. Raises ImageError."""
    decoded, digest = decode_photo(photo.data), hashlib.sha256(photo.data).hexdigest()
    timed: dict[LatencySettings, TimedPhoto | None] = {}
    for point in points:
        settings = _photo_settings(point)
        input_height, input_width = prepare(decoded, settings.resize, settings.input_size).size
        timed[point] = TimedPhoto(
            photo.name, digest, decoded.width, decoded.height, input_width, input_height
        )
    return timed


def _measure(
    runners: Mapping[str, _Runner], engine_version: str, point: LatencySettings, photo: TimedPhoto | None
) -> Iterator[LatencyResult]:
    """Yield the result so far after each round, warm-up included (then without times)."""
    machine, when = replace(this_machine(), threads=point.threads), now()
    samples: dict[str, dict[str, list[float]]] = {key: {} for key in runners}
    wall = processor = 0.0
    for number in range(point.warmup + point.runs):
        keys = list(runners)[:: 1 if number % 2 == 0 else -1]
        wall_start, processor_start = time.perf_counter(), time.process_time()
        times = {key: runners[key]() for key in keys}
        wall_round = time.perf_counter() - wall_start
        processor_round = time.process_time() - processor_start
        if number >= point.warmup:
            wall, processor = wall + wall_round, processor + processor_round
            for key, stages in times.items():
                for stage, milliseconds in stages.items():
                    samples[key].setdefault(stage, []).append(milliseconds)
        yield LatencyResult(
            settings=point,
            machine=machine,
            when=when,
            milliseconds={
                key: {stage: tuple(values) for stage, values in stages.items()}
                for key, stages in samples.items()
            },
            cpu_share=processor / wall if wall else 0.0,
            complete=number == point.warmup + point.runs - 1,
            engine_version=engine_version,
            photo=photo,
        )


def _work(point: LatencySettings) -> int:
    return point.height * point.width * point.batch


def _interquartile_range(times: np.ndarray) -> float:
    low, high = np.percentile(times, (25, 75))
    return float(high - low)


def _drift(times: np.ndarray) -> float:
    half = len(times) // 2
    return abs(float(np.median(times[half:]) / np.median(times[:half])) - 1)


def _milliseconds_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
