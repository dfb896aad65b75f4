"""Twenty visitors at once: correct results, fast sliders, flat memory, and positions in a full queue."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from benchmarks import page_labels
from benchmarks.benchmark_report import Target, options, report, spread, tracebacks, trained_weights
from benchmarks.guests import DETECTION, Diary, measure, photo_variation, think
from benchmarks.visitor import Dashboard, Visitor, served
from featherface.dashboard.components.widgets import plain
from featherface.detection.images import Photo, decode_photo
from featherface.detection.settings import DetectionSettings, Scales
from featherface.profiling.machine import now
from featherface.reporting.comparison import compare
from featherface.serving.model_service import ModelService

__all__ = ["Answer", "Burst", "crowd", "full_queue", "mixed_up"]

_THINKING = 1.0  # seconds between two moves, on average
_SETTLING = 60  # seconds, or a third of a shorter run
_BENCHMARKING = (0.4, 0.7)  # of the time, in which every fifth visitor runs the benchmark
_SLIDER_TARGET = 1_000.0  # milliseconds
_MEMORY_TARGET = 50.0  # MB
_LARGE = 1_920  # pixels; V1 takes seconds
_BURST_SECONDS = 900  # for one answer where everybody wants a long pass at once
_SAY_SECONDS = 15  # between two lines that say what the visitors are still waiting for
_BUSY = re.compile(r"queue position (\d+)")


@dataclass(frozen=True)
class Answer:
    """What one visitor was given for one photo at one setting."""

    visitor: int
    photo: bytes
    name: str
    confidence: float  # as set
    nms_iou: float
    file: bytes  # the download of faces as JSON


@dataclass(frozen=True)
class Burst:
    """What became of visitors who all wanted long passes at once."""

    results: int  # visitors who were shown faces
    refused: int  # visitors who were told to try again
    positions: tuple[int, ...]  # in the queue, all that anybody was told


def main() -> int:
    parser = options(__doc__, "load")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--photos", type=int, default=3, help="of each session")
    parser.add_argument("--burst", type=int, default=40, help="sessions that fill the queue afterwards")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    trained_weights(given.weights)
    diary, curve = Diary(), []
    _say(f"{given.sessions} visitors for {given.minutes:g} minutes")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with served(given.weights, log) as dashboard:
            answers = crowd(
                dashboard,
                diary,
                [
                    [
                        photo_variation(np.random.default_rng([given.seed, number, count]))
                        for count in range(given.photos)
                    ]
                    for number in range(given.sessions)
                ],
                60 * given.minutes,
                watch=lambda seconds: curve.append((seconds, dashboard.memory / 1e6)),
            )
            _say(f"{given.burst} visitors at once")
            burst = full_queue(dashboard, diary, given.burst)
        logged = tracebacks(log)
    _say(f"comparing {len(answers)} answers with a single user's")
    wrong = mixed_up(answers, ModelService(given.weights))
    alone, beside = (diary.times("slide", benchmarking=flag) for flag in (False, True))
    growth, slope = _memory(curve)
    rows = [
        {"what": what, **spread(times)}
        for what, times in (
            ("slider move, nobody benchmarks", alone),
            ("slider move, somebody does", beside),
            ("upload", diary.times("upload")),
            ("another photo of one's own", diary.times("choose")),
            ("download", diary.times("download")),
        )
        if len(times)
    ]
    return report(
        f"{given.sessions} sessions for {given.minutes:g} minutes, milliseconds",
        rows,
        [
            Target("errors seen by visitors", len(diary.errors), 0, "errors"),
            Target("tracebacks in the server's log", len(logged), 0, "tracebacks"),
            Target(
                "answers compared with a single user's, at least",
                len(answers),
                given.sessions,
                "answers",
                at_least=True,
            ),
            Target("answers that differ from a single user's", len(wrong), 0, "answers"),
            Target("slowest slider move while nobody benchmarks", float(alone.max()), _SLIDER_TARGET, "ms"),
            Target("memory, last minute above the second", growth, _MEMORY_TARGET, "MB"),
            Target(
                f"told to come back, of {given.burst} at once", burst.refused, 1, "visitors", at_least=True
            ),
        ],
        given.json,
        memory_mb=curve,
        memory_slope_mb_per_minute=slope,
        burst={"results": burst.results, "refused": burst.refused, "positions": burst.positions},
        errors=diary.errors,
        tracebacks=logged,
        differing=[f"visitor {each.visitor}, {each.name}" for each in wrong],
    )


def crowd(
    dashboard: Dashboard,
    diary: Diary,
    photos: Sequence[Sequence[bytes]],
    seconds: float,
    *,
    thinking: float = _THINKING,
    watch: Callable[[float], object] = lambda _: None,
) -> list[Answer]:
    """Have one visitor for each list of photos look at them, over and over for some time; return all answers.

    Every fifth runs the speed page's benchmark for a part of the time. `watch` is called every second.
    """
    answers: list[Answer] = []
    start, ended = time.perf_counter(), Event()

    def share() -> float:
        return (time.perf_counter() - start) / seconds

    with ThreadPoolExecutor(len(photos)) as threads:
        visits = [
            threads.submit(_visit, dashboard, diary, number, own, thinking, share, ended, answers)
            for number, own in enumerate(photos)
        ]
        while share() < 1 and not all(visit.done() for visit in visits):
            ended.wait(min(1, seconds / 10))
            watch(time.perf_counter() - start)
        ended.set()
    return answers


def _visit(
    dashboard: Dashboard,
    diary: Diary,
    number: int,
    photos: Sequence[bytes],
    thinking: float,
    share: Callable[[], float],
    ended: Event,
    answers: list[Answer],
) -> None:
    rng = np.random.default_rng(number)
    names = [f"visitor{number}photo{count}.jpg" for count in range(len(photos))]
    try:
        with Visitor(dashboard.address, DETECTION) as visitor:
            for name, photo in zip(names, photos, strict=True):
                diary.note("upload", visitor.upload(page_labels.PHOTOS, name, photo))
                answers.append(_looked(visitor, diary, rng, number, name, photo, thinking, ended))
            while not ended.is_set():
                if number % 5 == 0 and _BENCHMARKING[0] < share() < _BENCHMARKING[1]:
                    measure(visitor, diary, 10, lambda: ended.is_set() or share() > _BENCHMARKING[1])
                    visitor.go(DETECTION)
                count = int(rng.integers(len(photos)))
                diary.note("choose", visitor.press(plain(names[count])))
                answers.append(
                    _looked(visitor, diary, rng, number, names[count], photos[count], thinking, ended)
                )
    except Exception as error:  # whatever it was: the diary fails the run
        diary.wrong(f"visitor {number}: {type(error).__name__}: {error}")


def _looked(
    visitor: Visitor,
    diary: Diary,
    rng: np.random.Generator,
    number: int,
    name: str,
    photo: bytes,
    thinking: float,
    ended: Event,
) -> Answer:
    """Move both sliders some times and return the faces as the download has them."""
    for _ in range(int(rng.integers(1, 4))):
        confidence = round(float(rng.uniform(0.05, 0.95)), 2)
        nms_iou = round(0.05 * int(rng.integers(2, 19)), 2)
        diary.note("slide", visitor.slide(page_labels.CONFIDENCE, confidence))
        think(rng, thinking, ended)
        diary.note("slide", visitor.slide(page_labels.NMS_IOU, nms_iou))
        think(rng, thinking, ended)
    start = time.perf_counter()
    file = visitor.download(page_labels.FACES_JSON)
    diary.note("download", 1000 * (time.perf_counter() - start))
    return Answer(number, photo, name, confidence, nms_iou, file)


def mixed_up(answers: Sequence[Answer], service: ModelService) -> list[Answer]:
    """Return the answers that differ in anything from what a single user of `service` is given."""
    decoded = {photo: decode_photo(photo) for photo in {answer.photo for answer in answers}}
    return [
        answer for answer in answers if _given(answer) != _expected(answer, decoded[answer.photo], service)
    ]


def _given(answer: Answer) -> dict[str, object]:
    """Return the settings and faces in a downloaded file, without times."""
    return _without_times(answer.file)


def _expected(answer: Answer, photo: Photo, service: ModelService) -> dict[str, object]:
    """Return what `_given` has to be: the Detection page's default is several sizes."""
    settings = DetectionSettings(answer.confidence, answer.nms_iou, scales=Scales.AUTO)
    keys = [status.key for status in service.models()]
    results = {key: service.merged_candidates(photo, key, settings) for key in keys}
    size = photo.width, photo.height
    return _without_times(compare(answer.name, size, results, dict.fromkeys(keys, settings)).to_json())


def _without_times(text: str | bytes) -> dict[str, object]:
    document = json.loads(text)
    (photo,) = document["photos"]
    del photo["decode_milliseconds"]
    for model in photo["models"].values():
        del model["milliseconds"]
        for one in model.get("passes", ()):
            del one["milliseconds"]
    return {"settings": document["settings"], **photo}


def full_queue(dashboard: Dashboard, diary: Diary, visitors: int) -> Burst:
    """Let many visitors request long passes at the same moment, each for their own photo."""
    together = Event()

    def ask(number: int) -> set[str]:
        try:
            with Visitor(dashboard.address, DETECTION, _BURST_SECONDS) as visitor:
                visitor.upload(
                    page_labels.PHOTOS, "own.jpg", photo_variation(np.random.default_rng([7, number]), 0.5)
                )
                ready.append(number)
                together.wait()
                visitor.slide(page_labels.LONGER_SIDE, _LARGE)
                return visitor.told
        except Exception as error:  # whatever it was: the diary fails the run
            diary.wrong(f"visitor {number} of the full queue: {type(error).__name__}: {error}")
            ready.append(number)
            return set()

    ready: list[int] = []
    with ThreadPoolExecutor(visitors) as threads:
        asked = [threads.submit(ask, number) for number in range(visitors)]
        _await_all(lambda: visitors - len(ready), f"of {visitors} visitors still upload their photo")
        together.set()
        _await_all(lambda: sum(not each.done() for each in asked), f"of {visitors} visitors still wait")
        told = [each.result() for each in asked]
    refused = sum(any(map(_BUSY.search, texts)) for texts in told)
    positions = {int(found.group(1)) for texts in told for text in texts if (found := _BUSY.search(text))}
    return Burst(visitors - refused, refused, tuple(sorted(positions)))


def _await_all(left: Callable[[], int], what: str) -> None:
    """Wait until `left()` is 0, and say now and then how many are left."""
    said = time.monotonic()
    while (count := left()) > 0:
        if time.monotonic() - said > _SAY_SECONDS:
            said = time.monotonic()
            _say(f"{count} {what}")
        time.sleep(0.05)


def _say(what: str) -> None:
    print(f"{now()} {what}", file=sys.stderr, flush=True)


def _memory(curve: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the growth in MB from the second minute to the last (medians) and the slope in MB per minute."""
    seconds, megabytes = np.array(curve).T
    settling = min(_SETTLING, seconds[-1] / 3)
    early = megabytes[(seconds >= settling) & (seconds < 2 * settling)]
    late = megabytes[seconds >= seconds[-1] - settling]
    settled = seconds >= settling
    slope = np.polyfit(seconds[settled] / 60, megabytes[settled], 1)[0]
    return float(np.median(late) - np.median(early)), float(slope)


if __name__ == "__main__":
    sys.exit(main())
