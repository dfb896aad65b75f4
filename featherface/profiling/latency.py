"""How long the models take on this machine, and how far that can be trusted.

The models take turns on the same input, in alternating order, so that a busy moment or a warming processor
falls on both. Intervals come from resampling whole rounds (Efron's bootstrap).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from scipy import stats
from torch import nn

from featherface.config import DEFAULT_SIDE, PIXEL_MEAN_BGR
from featherface.detection.detector import Detector
from featherface.detection.images import decode_photo
from featherface.detection.postprocess import select
from featherface.detection.settings import DetectionSettings
from featherface.errors import FeatherFaceError
from featherface.models.compiled import compiled
from featherface.profiling.layers import check_size
from featherface.profiling.machine import Machine, now, this_machine, torch_threads

__all__ = [
    "NOISE_LIMITS",
    "STAGES",
    "BenchmarkError",
    "LatencyResult",
    "LatencySettings",
    "LatencySummary",
    "Noise",
    "NoiseLimit",
    "Progress",
    "SpeedUp",
    "benchmark",
    "from_record",
    "noise",
    "speed_up",
    "summary",
    "variations",
]

STAGES = ("decode", "preprocess", "network", "postprocess")  # of a photo, from file to faces

_RESAMPLES = 2000  # of the bootstrap; the interval's ends then move by about 1 % of its width
_CONFIDENCE = 0.95


class BenchmarkError(FeatherFaceError):
    """Settings that no benchmark can run with."""


@dataclass(frozen=True)
class LatencySettings:
    """One point to measure. Raises BenchmarkError or InputSizeError for impossible values."""

    height: int = DEFAULT_SIDE  # pixels of the network's input
    width: int = DEFAULT_SIDE
    batch: int = 1
    threads: int = 1  # that PyTorch may use; pinned while a round runs
    runs: int = 50  # measured rounds; each runs every model once
    warmup: int = 5  # rounds before, not kept: memory pools, code caches, processor frequency

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        for name, least in (("batch", 1), ("threads", 1), ("runs", 2), ("warmup", 0)):
            if getattr(self, name) < least:
                raise BenchmarkError(f"The {name} must be at least {least}, not {getattr(self, name)}.")


@dataclass(frozen=True)
class LatencyResult:
    """What was measured so far at one point.

    `milliseconds` holds for each model and stage one wall time a round; a run on tensors has the one stage
    "network". `cpu_share` is the processor time of this process over the wall time of the rounds.
    """

    settings: LatencySettings
    machine: Machine
    when: str  # ISO 8601, the start
    milliseconds: Mapping[str, Mapping[str, tuple[float, ...]]]
    cpu_share: float
    complete: bool  # false where the benchmark was stopped or still runs

    @property
    def rounds(self) -> int:
        """How many rounds were measured so far."""
        return min(len(self.totals(key)) for key in self.milliseconds)

    @property
    def stages(self) -> tuple[str, ...]:
        """What was timed."""
        return tuple(next(iter(self.milliseconds.values())))

    def totals(self, key: str) -> np.ndarray:
        """The wall time of each round of one model, all stages together, (R,) float64 milliseconds."""
        stages = list(self.milliseconds[key].values())
        return np.sum(stages, axis=0, dtype=np.float64) if stages else np.empty(0)

    def as_record(self) -> Mapping[str, object]:
        """Everything as plain values for JSON; `from_record` reads it back."""
        return asdict(self)


@dataclass(frozen=True)
class LatencySummary:
    """A model's wall times in milliseconds, those of a whole batch; pictures a second from the median."""

    median: float
    p95: float
    p99: float
    fastest: float
    stages: Mapping[str, float]  # median of each
    frames_per_second: float


@dataclass(frozen=True)
class SpeedUp:
    """How many times faster the second model is: ratio of medians with its 95 % bootstrap interval."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class NoiseLimit:
    """From where on a sign of disturbance makes a run noisy, and why there."""

    limit: float
    reason: str


NOISE_LIMITS: Mapping[str, NoiseLimit] = {
    "spread": NoiseLimit(
        0.10, "an undisturbed run keeps half of its rounds within a few per cent of the median"
    ),
    "drift": NoiseLimit(
        0.05, "a change between the halves moves the median by as much as many speed-ups claim"
    ),
    "starvation": NoiseLimit(
        0.10, "one busy thread uses its core all the time unless another program takes it"
    ),
}


@dataclass(frozen=True)
class Noise:
    """Signs of disturbance, worst model: each against its entry of `NOISE_LIMITS`."""

    spread: float  # interquartile range over median
    drift: float  # change of the median from the first half to the second, either way
    starvation: float  # share of the wall time without even one core at work
    reasons: tuple[str, ...]  # one sentence for each limit passed

    @property
    def noisy(self) -> bool:
        """Whether any limit was passed."""
        return bool(self.reasons)


@dataclass(frozen=True)
class Progress:
    """Where a benchmark stands after a round."""

    done: int  # rounds, warm-up included
    total: int
    remaining_seconds: float  # estimated from pixels done and to do
    results: tuple[LatencyResult, ...]  # finished points and the one at work


def benchmark(
    networks: Mapping[str, nn.Module], points: Sequence[LatencySettings], photo: bytes | None = None
) -> Iterator[Progress]:
    """Time the networks against each other at each point; yields after every round.

    Stop by dropping the iterator: what the last progress holds is kept. With `photo`, the bytes of a picture
    file, the whole way from file to faces is timed, fitted to each point's longer side; else the network
    alone on random pixels. Both run the fast copies that `Detector` runs; the networks stay as they are.
    Raises BenchmarkError.
    """
    if photo is not None and any(point.batch > 1 for point in points):
        raise BenchmarkError("A photo is timed alone: the batch must be 1.")
    runners = _runners(networks, photo)
    finished: list[LatencyResult] = []
    total = sum(point.warmup + point.runs for point in points)
    work = sum(_work(point) * (point.warmup + point.runs) for point in points)
    done, worked, start = 0, 0, time.perf_counter()
    for point in points:
        for result in _measure(runners(point), point):
            done, worked = done + 1, worked + _work(point)
            remaining = (time.perf_counter() - start) / worked * (work - worked)
            yield Progress(done, total, remaining, (*finished, result))
        finished.append(result)


def variations(
    base: LatencySettings,
    sides: Sequence[int] = (),
    batches: Sequence[int] = (),
    threads: Sequence[int] = (),
) -> tuple[LatencySettings, ...]:
    """Points that differ from `base` in one thing at a time: square side, batch or threads."""
    return (
        *(replace(base, height=side, width=side) for side in sides),
        *(replace(base, batch=batch) for batch in batches),
        *(replace(base, threads=count) for count in threads),
    )


def summary(result: LatencyResult, key: str) -> LatencySummary:
    """Median and tail of one model."""
    totals = result.totals(key)
    median, p95, p99 = (float(value) for value in np.percentile(totals, (50, 95, 99)))
    return LatencySummary(
        median=median,
        p95=p95,
        p99=p99,
        fastest=float(totals.min()),
        stages={stage: float(np.median(values)) for stage, values in result.milliseconds[key].items()},
        frames_per_second=1000 * result.settings.batch / median,
    )


def speed_up(result: LatencyResult, first: str = "v1", second: str = "v2") -> SpeedUp:
    """How many times faster `second` is than `first`; the seed of the resampling is fixed."""
    pairs = result.totals(first), result.totals(second)
    interval = stats.bootstrap(
        pairs,
        lambda slow, fast, axis=-1: np.median(slow, axis=axis) / np.median(fast, axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=_RESAMPLES,
        confidence_level=_CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    ratio = float(np.median(pairs[0]) / np.median(pairs[1]))
    return SpeedUp(ratio, float(interval.low), float(interval.high))


def noise(result: LatencyResult) -> Noise:
    """Judge how disturbed a run was."""
    totals = [result.totals(key) for key in result.milliseconds]
    signs = {
        "spread": max(float(stats.iqr(times) / np.median(times)) for times in totals),
        "drift": max(_drift(times) for times in totals),
        "starvation": max(0.0, 1 - result.cpu_share),
    }
    reasons = tuple(
        f"{name.capitalize()} is {100 * signs[name]:.0f} %, above {100 * limit.limit:.0f} %: {limit.reason}."
        for name, limit in NOISE_LIMITS.items()
        if signs[name] > limit.limit
    )
    return Noise(**signs, reasons=reasons)


def from_record(record: Mapping[str, object]) -> LatencyResult:
    """Read back what `LatencyResult.as_record` wrote, as JSON gives it."""
    milliseconds = {
        key: {stage: tuple(values) for stage, values in stages.items()}
        for key, stages in record["milliseconds"].items()
    }
    return LatencyResult(
        settings=LatencySettings(**record["settings"]),
        machine=Machine(**record["machine"]),
        when=record["when"],
        milliseconds=milliseconds,
        cpu_share=record["cpu_share"],
        complete=record["complete"],
    )


_Runner = Callable[[], Mapping[str, float]]  # runs one model once; milliseconds of each stage


def _runners(
    networks: Mapping[str, nn.Module], photo: bytes | None
) -> Callable[[LatencySettings], dict[str, _Runner]]:
    """Prepare the networks once; return what makes the runners of one point."""
    if photo is not None:
        detectors = {key: Detector(network) for key, network in networks.items()}
        return lambda point: {
            key: _photo_runner(detector, photo, point) for key, detector in detectors.items()
        }
    fast = {key: compiled(network) for key, network in networks.items()}

    def alone(point: LatencySettings) -> dict[str, _Runner]:
        pixels = _random_pixels(point)
        return {key: _tensor_runner(network, pixels) for key, network in fast.items()}

    return alone


def _tensor_runner(network: Callable[[torch.Tensor], object], pixels: torch.Tensor) -> _Runner:
    def run() -> Mapping[str, float]:
        with torch.inference_mode():
            start = time.perf_counter()
            network(pixels)
            return {"network": _milliseconds_since(start)}

    return run


def _photo_runner(detector: Detector, source: bytes, point: LatencySettings) -> _Runner:
    settings = DetectionSettings(side=max(point.height, point.width))

    def run() -> Mapping[str, float]:
        start = time.perf_counter()
        photo = decode_photo(source)
        decode = _milliseconds_since(start)
        (raw,) = detector.candidates([photo], settings.resize, settings.side)
        start = time.perf_counter()
        select(raw.candidates, settings.confidence, settings.nms_iou, settings.top_k)
        postprocess = raw.milliseconds["postprocess"] + _milliseconds_since(start)
        return {"decode": decode, **raw.milliseconds, "postprocess": postprocess}

    return run


def _random_pixels(point: LatencySettings) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (point.batch, 3, point.height, point.width)
    pixels = torch.randint(0, 256, shape, generator=generator).float()
    return pixels - torch.tensor(PIXEL_MEAN_BGR).view(1, 3, 1, 1)


def _measure(runners: Mapping[str, _Runner], point: LatencySettings) -> Iterator[LatencyResult]:
    """Yield the result so far after each round, warm-up included (then without times)."""
    machine, when = replace(this_machine(), threads=point.threads), now()
    samples: dict[str, dict[str, list[float]]] = {key: {} for key in runners}
    wall = processor = 0.0
    for number in range(point.warmup + point.runs):
        keys = list(runners) if number % 2 == 0 else list(reversed(runners))
        with torch_threads(point.threads):
            wall_start, processor_start = time.perf_counter(), time.process_time()
            times = {key: runners[key]() for key in keys}
            wall_round, processor_round = (
                time.perf_counter() - wall_start,
                time.process_time() - processor_start,
            )
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
        )


def _work(point: LatencySettings) -> int:
    return point.height * point.width * point.batch


def _drift(times: np.ndarray) -> float:
    half = len(times) // 2
    return abs(float(np.median(times[half:]) / np.median(times[:half])) - 1)


def _milliseconds_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
