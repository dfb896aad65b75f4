"""Mixed use by visitors who come and go over a long time; memory and response times are recorded."""

from __future__ import annotations

import csv
import logging
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Event, Thread

import numpy as np
import psutil

from benchmarks import page_labels
from benchmarks.benchmark_report import Target, options, report, spread, tracebacks, trained_weights
from benchmarks.guests import (
    DETECTION,
    Diary,
    annotated_zip,
    bad_file,
    measure,
    photo_variation,
    think,
)
from benchmarks.visitor import Dashboard, PageError, Visitor, served

_DOWNLOADS = (page_labels.FACES_JSON, page_labels.FACES_CSV, page_labels.ANNOTATED_JPEG)
_THINKING = 3.0  # seconds between two actions, on average
_SAMPLE_SECONDS = 10
_QUARTER = 900  # seconds
_SETTLING = 600  # seconds, or a third of a shorter soak: caches fill
_VANISHING = 0.25  # of the visits end without a farewell


@dataclass(frozen=True)
class Sample:
    """The server at one moment, and the answers of the seconds before it."""

    seconds: float  # since the start
    memory_mb: float
    sessions: int
    threads: int
    files: int  # open descriptors, sockets included
    load: float  # of the machine, 1-minute average
    slides: int
    slide_median_ms: float
    slide_slowest_ms: float
    uploads: int
    upload_median_ms: float
    upload_slowest_ms: float
    errors: int  # so far


def main() -> int:
    parser = options(__doc__, "soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--guests", type=int, default=6, help="at the same time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--note", default="", help="what else the machine does meanwhile, for the record")
    given = parser.parse_args()
    trained_weights(given.weights)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # it reports visitors who vanish
    log, curve = given.json.with_suffix(".log"), given.json.with_suffix(".csv")
    diary, ended = Diary(), Event()
    with served(given.weights, log) as dashboard:
        guests = [
            Thread(
                target=guest,
                args=(dashboard.address, diary, np.random.default_rng([given.seed, number]), ended),
            )
            for number in range(given.guests)
        ]
        start = time.perf_counter()
        for each in guests:
            each.start()
        samples = watched(dashboard, diary, start, 60 * given.minutes, curve)
        ended.set()
        for each in guests:
            each.join()
    growth = slope([each.seconds for each in samples], [each.memory_mb for each in samples])
    return report(
        f"{given.minutes:g} minutes of mixed use by {given.guests} visitors at a time",
        quarters(diary, samples, start),
        [
            Target("errors seen by visitors", len(diary.errors), 0, "errors"),
            Target("tracebacks in the server's log", len(tracebacks(log)), 0, "tracebacks"),
            Target("growth of memory once settled", growth, 50, "MB per hour"),
        ],
        given.json,
        note=given.note,
        load_average_of_the_machine=spread([each.load for each in samples]),
        actions=actions(diary),
        errors=diary.errors,
        tracebacks=tracebacks(log),
        samples=[asdict(each) for each in samples],
    )


def guest(address: str, diary: Diary, rng: np.random.Generator, ended: Event) -> None:
    """Visit repeatedly, with other actions each time, until `ended`."""
    while not ended.is_set():
        try:
            visit(address, diary, rng, ended)
        except Exception as error:  # whatever it was: the diary fails the whole soak
            where = traceback.extract_tb(error.__traceback__)[-1]
            diary.wrong(f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})")
        think(rng, 2 * _THINKING, ended)


def visit(address: str, diary: Diary, rng: np.random.Generator, ended: Event) -> None:
    """Open the dashboard, do one kind of action, and leave, with or without closing the connection."""
    doings = (look, browse, bring_bad_files, bring_a_zip, benchmark, break_off)
    doing = doings[rng.choice(len(doings), p=(0.5, 0.14, 0.14, 0.04, 0.08, 0.1))]
    with Visitor(address, DETECTION) as visitor:
        diary.note("open", visitor.opened)
        doing(visitor, diary, rng, ended)
        if doing is break_off or rng.random() < _VANISHING:
            visitor.vanish()


def look(visitor: Visitor, diary: Diary, rng: np.random.Generator, ended: Event) -> None:
    """Upload photos, move sliders, save results."""
    for number in range(int(rng.integers(1, 4))):
        if ended.is_set():
            return
        diary.note("upload", visitor.upload(page_labels.PHOTOS, f"photo {number}.jpg", photo_variation(rng)))
        for _ in range(int(rng.integers(3, 10))):
            think(rng, _THINKING, ended)
            name, low, high = [(page_labels.CONFIDENCE, 0.05, 0.95), (page_labels.NMS_IOU, 0.1, 0.9)][
                int(rng.integers(2))
            ]
            diary.note("slide", visitor.slide(name, round(float(rng.uniform(low, high)), 2)))
        save(visitor, diary, str(rng.choice(_DOWNLOADS)))


def browse(visitor: Visitor, diary: Diary, rng: np.random.Generator, ended: Event) -> None:
    """Open every page and download the report."""
    for page in rng.permutation(visitor.pages).tolist():
        if ended.is_set():
            return
        diary.note("page", visitor.go(page))
        if page == "":
            save(visitor, diary, page_labels.HTML_REPORT)
        think(rng, _THINKING, ended)


def bring_bad_files(visitor: Visitor, diary: Diary, rng: np.random.Generator, ended: Event) -> None:
    """Upload files that cannot be decoded; each time a message must appear."""
    for _ in range(int(rng.integers(1, 5))):
        diary.note("bad upload", visitor.upload(page_labels.PHOTOS, "bad.jpg", bad_file(rng)))
        if not visitor.elements("alert"):
            raise PageError("A file that cannot be decoded was accepted without a message.")
        think(rng, _THINKING, ended)


def bring_a_zip(visitor: Visitor, diary: Diary, rng: np.random.Generator, ended: Event) -> None:
    """Compute average precision on a few annotated images."""
    diary.note("page", visitor.go("accuracy"))
    diary.note("upload of a zip", visitor.upload(page_labels.ZIP, "own.zip", annotated_zip(rng)))
    if not ended.is_set():
        diary.note("evaluate", visitor.press(page_labels.EVALUATE))


def benchmark(visitor: Visitor, diary: Diary, rng: np.random.Generator, ended: Event) -> None:
    """Run the speed page's benchmark; now and then leave in the middle of it."""
    patience = float(rng.choice([2, 600]))
    until = time.monotonic() + patience
    measure(visitor, diary, 20, lambda: ended.is_set() or time.monotonic() > until)


def break_off(visitor: Visitor, diary: Diary, rng: np.random.Generator, ended: Event) -> None:
    """Disconnect in the middle of an upload."""
    visitor.half_upload("lost.jpg", photo_variation(rng)).close()


def save(visitor: Visitor, diary: Diary, label: str) -> None:
    start = time.perf_counter()
    if not visitor.download(label):
        raise PageError(f"The download {label!r} is empty.")
    diary.note("download", 1000 * (time.perf_counter() - start))


def watched(dashboard: Dashboard, diary: Diary, start: float, seconds: float, curve: Path) -> list[Sample]:
    """Sample the server until the time is over, each sample also as a line of CSV at once."""
    samples: list[Sample] = []
    with curve.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Sample)], lineterminator="\n")
        writer.writeheader()
        while (passed := time.perf_counter() - start) < seconds:
            time.sleep(min(_SAMPLE_SECONDS, seconds - passed))
            samples.append(sample(dashboard, diary, start))
            writer.writerow(asdict(samples[-1]))
            file.flush()
    return samples


def sample(dashboard: Dashboard, diary: Diary, start: float) -> Sample:
    now = time.perf_counter()
    slides, uploads = (diary.times(what, now - _SAMPLE_SECONDS) for what in ("slide", "upload"))
    return Sample(
        seconds=round(now - start, 1),
        memory_mb=round(dashboard.memory / 1e6, 1),
        sessions=dashboard.open_sessions(),
        threads=dashboard.process.num_threads(),
        files=dashboard.process.num_fds(),
        load=round(psutil.getloadavg()[0], 2),
        slides=len(slides),
        slide_median_ms=_rounded(np.median, slides),
        slide_slowest_ms=_rounded(np.max, slides),
        uploads=len(uploads),
        upload_median_ms=_rounded(np.median, uploads),
        upload_slowest_ms=_rounded(np.max, uploads),
        errors=len(diary.errors),
    )


def quarters(diary: Diary, samples: Sequence[Sample], start: float) -> list[dict[str, object]]:
    """Return one row per quarter of an hour, with the server's state and the times of moves and uploads."""
    rows = []
    for since in np.arange(0, samples[-1].seconds, _QUARTER):
        inside = [each for each in samples if since <= each.seconds < since + _QUARTER]
        row: dict[str, object] = {
            "minutes": f"{since / 60:.0f}-{inside[-1].seconds / 60:.0f}",
            "memory, MB": float(np.median([each.memory_mb for each in inside])),
            "highest": max(each.memory_mb for each in inside),
            "sessions": max(each.sessions for each in inside),
            "threads": max(each.threads for each in inside),
            "files": max(each.files for each in inside),
        }
        for what in ("slide", "upload"):
            times = diary.times(what, start + since, start + since + _QUARTER)
            found = spread(times) if len(times) else {}
            row |= {f"{what} {name}": found.get(name, np.nan) for name in ("median", "p95", "p99", "slowest")}
        rows.append(row)
    return rows


def actions(diary: Diary) -> Mapping[str, Mapping[str, float]]:
    """Return how often and how long, in milliseconds, by kind of action."""
    kinds = sorted({moment.what for moment in diary.moments})
    return {kind: spread(diary.times(kind)) for kind in kinds}


def slope(seconds: Sequence[float], megabytes: Sequence[float]) -> float:
    """Return the growth in MB per hour, by least squares, once caches are full."""
    since = min(_SETTLING, seconds[-1] / 3)
    settled = [(at / 3600, memory) for at, memory in zip(seconds, megabytes, strict=True) if at >= since]
    return float(np.polyfit(*zip(*settled, strict=True), 1)[0])


def _rounded(statistic, values: np.ndarray) -> float:  # noqa: ANN001
    return round(float(statistic(values)), 1) if len(values) else float("nan")


if __name__ == "__main__":
    sys.exit(main())
