"""Actions of visitors and the files that they upload, drawn from a seeded generator."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

import cv2
import numpy as np

from benchmarks import page_labels
from benchmarks.visitor import Visitor
from featherface.profiling.machine import now

__all__ = [
    "DETECTION",
    "Diary",
    "Moment",
    "annotated_zip",
    "bad_file",
    "measure",
    "photo_variation",
    "think",
]

DETECTION = "detection"  # the page's path
_SAMPLES = sorted((Path(__file__).resolve().parents[1] / "assets/samples").glob("*.jpg"))
_MEGAPIXELS = (0.1, 0.5, 1, 2, 5, 12)
_POLL_SECONDS = 1.0  # as the browser does


@dataclass(frozen=True)
class Moment:
    """One thing that a visitor asked for."""

    at: float  # time.perf_counter() when it was there
    what: str
    milliseconds: float
    benchmarking: int  # visitors who ran the speed page's benchmark meanwhile


@dataclass
class Diary:
    """What all visitors did and what went wrong; several threads write it."""

    moments: list[Moment] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _benchmarking: int = 0
    _lock: Lock = field(default_factory=Lock)

    def note(self, what: str, milliseconds: float) -> None:
        """Write down how long something took that is there now."""
        with self._lock:
            self.moments.append(Moment(time.perf_counter(), what, milliseconds, self._benchmarking))

    def wrong(self, what: str) -> None:
        """Write down what should not have happened, and say it at once."""
        print(f"{now()} ERROR {what}", flush=True)
        with self._lock:
            self.errors.append(what)

    @contextmanager
    def benchmarking(self) -> Iterator[None]:
        """Mark what is noted meanwhile, by anybody, as beside a benchmark."""
        with self._lock:
            self._benchmarking += 1
        try:
            yield
        finally:
            with self._lock:
                self._benchmarking -= 1

    def times(
        self, what: str, since: float = 0, until: float = np.inf, *, benchmarking: bool | None = None
    ) -> np.ndarray:
        """Return (N,) float64 milliseconds of all moments of a kind, or only of those beside a benchmark."""
        with self._lock:
            found = [
                moment.milliseconds
                for moment in self.moments
                if moment.what == what
                and since <= moment.at < until
                and benchmarking in (None, moment.benchmarking > 0)
            ]
        return np.array(found, np.float64)


def photo_variation(rng: np.random.Generator, megapixels: float | None = None) -> bytes:
    """Return a unique photo file made from a sample: size, brightness, crop and format vary."""
    pixels = cv2.imread(str(rng.choice(_SAMPLES)))
    wanted = megapixels or float(rng.choice(_MEGAPIXELS))
    scale = (wanted * 1e6 / (pixels.shape[0] * pixels.shape[1])) ** 0.5
    pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    top, left = (int(rng.integers(1, 1 + length // 10)) for length in pixels.shape[:2])
    pixels = cv2.convertScaleAbs(pixels[top:, left:], alpha=rng.uniform(0.7, 1.3), beta=rng.uniform(-20, 20))
    pixels[0, 0] = rng.integers(0, 256, 3)
    kind = str(rng.choice([".jpg", ".jpg", ".jpg", ".png", ".webp"])) if wanted <= 2 else ".jpg"
    return cv2.imencode(kind, pixels)[1].tobytes()


def bad_file(rng: np.random.Generator) -> bytes:
    """Return a file that cannot be decoded, though it may start like a photo."""
    photo = photo_variation(rng, 0.5)
    vast = cv2.imencode(".png", np.zeros((1, 65_000), np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])[
        1
    ].tobytes()
    choices = (
        b"",
        rng.bytes(50_000),
        b"PK\x03\x04" + rng.bytes(2_000),
        photo[: len(photo) // 3],
        vast.replace((65_000).to_bytes(4), (70_000).to_bytes(4), 1),
        b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
    )
    return choices[int(rng.integers(len(choices)))]


def measure(visitor: Visitor, diary: Diary, rounds: int, ended: Callable[[], bool]) -> None:
    """Run the speed page's benchmark and watch it to its end, or leave once `ended`."""
    diary.note("page", visitor.go("speed"))
    visitor.enter(page_labels.INPUT_SIZE, 320)
    visitor.enter(page_labels.ROUNDS, rounds)
    with diary.benchmarking():
        visitor.press(page_labels.RUN_BENCHMARK)
        while visitor.refresh() and not ended():
            time.sleep(_POLL_SECONDS)


def think(rng: np.random.Generator, seconds: float, ended: Event) -> None:
    """Wait as a person does between two actions, at most three times the mean `seconds`."""
    ended.wait(min(float(rng.exponential(seconds)), 3 * seconds))


def annotated_zip(rng: np.random.Generator) -> bytes:
    """Return a zip of three images with one face each, in the layout of WIDER FACE."""
    buffer, lines = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(3):
            name = f"0--Portraits/{number}.jpg"
            archive.writestr(name, photo_variation(rng, 0.2))
            lines += [name, "1", "100 80 120 150 0 0 0 0 0 0"]
        archive.writestr("own_bbx_gt.txt", "\n".join(lines) + "\n")
    return buffer.getvalue()
