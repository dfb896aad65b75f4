"""Several visitors at once, by the browser's own protocol; `benchmarks.load` does it with twenty, timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from benchmarks import page_labels
from benchmarks.benchmark_report import tracebacks
from benchmarks.guests import DETECTION, Diary, photo_variation
from benchmarks.load import crowd, mixed_up
from benchmarks.visitor import PATIENCE, Dashboard, Visitor, served
from featherface.config import WEIGHTS_DIR
from featherface.serving.model_service import ModelService

pytestmark = pytest.mark.slow

VISITORS = 4
ELSEWHERE = "http://elsewhere.example"
LARGE = 288  # pixels; passes of this size wait at the gate
# One thread for networks, four places to wait, a gate for large inputs, and sessions closed as soon as their
# visitors have left. Whatever looks up a name or connects to another machine gets an error, whose traceback
# in the log fails the tests.
PREPARATION = """
import socket, sys, time
from functools import partial
from pathlib import Path
from featherface.dashboard.server import sessions
from featherface.detection.detector import Detector
from featherface.serving import model_service, network_queue

def refuse_outside(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and arguments[0].family in INTERNET and arguments[0].type == STREAM:
        host = arguments[1][0]
    else:
        return
    if host not in (None, "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        raise RuntimeError(f"asked {{host}}")

INTERNET, STREAM = (socket.AF_INET, socket.AF_INET6), socket.SOCK_STREAM
sys.addaudithook(refuse_outside)
candidates = Detector.candidates

def gated_candidates(self, photos, resize, input_size):
    while input_size == {large} and not Path({gate!r}).exists():
        time.sleep(0.01)
    return candidates(self, photos, resize, input_size)

Detector.candidates = gated_candidates
model_service.NetworkQueue = partial(network_queue.NetworkQueue, 1, 4)
sessions.abandoned_sessions = sessions.AbandonedSessions(return_seconds=0.1, release_seconds=0.1)
"""


@pytest.fixture(scope="module")
def gate(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="module")
def dashboard(gate, tmp_path_factory) -> Iterator[Dashboard]:
    log = tmp_path_factory.mktemp("log") / "log.txt"
    with served(WEIGHTS_DIR, log, PREPARATION.format(large=LARGE, gate=str(gate))) as running:
        with Visitor(running.address, DETECTION):
            pass
        yield running
    assert tracebacks(log) == []


def photos(visitor: int, count: int) -> list[bytes]:
    return [photo_variation(np.random.default_rng([visitor, turn]), 0.1) for turn in range(count)]


def eventually(holds: Callable[[], bool]) -> bool:
    """Ask again and again until something holds; only a dashboard that never gets there takes long."""
    deadline = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.2)  # the server works for its answer
    return holds()


def kept(dashboard: Dashboard) -> dict[str, int]:
    """Bytes in the server's memory by what holds them, as it says itself, up to some seconds late."""
    answer = requests.get(
        f"{dashboard.address}/_stcore/metrics?families=cache_memory_bytes", timeout=PATIENCE
    )
    lines = [
        line.rsplit(" ", 1) for line in answer.text.splitlines() if line.startswith("cache_memory_bytes{")
    ]
    return {
        name: int(count) for name, count in lines if "photos" in name or "Upload" in name or "media" in name
    }


def without_media(sizes: dict[str, int]) -> dict[str, int]:
    """Leave out what pages show: it belongs to the visitors who are there."""
    return {name: size for name, size in sizes.items() if "media" not in name}


def test_what_a_visitor_brought_goes_with_the_visitor(dashboard):
    samples = without_media(kept(dashboard))
    with Visitor(dashboard.address, DETECTION) as visitor:
        visitor.upload(page_labels.PHOTOS, "own.jpg", photos(200, 1)[0])
        assert eventually(lambda: sum(without_media(kept(dashboard)).values()) > sum(samples.values()))
    assert eventually(lambda: kept(dashboard).items() <= samples.items())


def test_nobody_is_given_the_faces_of_somebody_else(dashboard):
    diary = Diary()
    answers = crowd(dashboard, diary, [photos(number, 2) for number in range(VISITORS)], 1, thinking=0)
    assert diary.errors == []
    assert {answer.name for answer in answers} >= {f"visitor{number}photo1.jpg" for number in range(VISITORS)}
    service = ModelService(WEIGHTS_DIR)
    assert mixed_up(answers, service) == []
    swapped = [replace(answers[0], file=answers[-1].file)]
    assert mixed_up(swapped, service) == swapped


def test_a_download_outlives_what_others_do_meanwhile(dashboard):
    with Visitor(dashboard.address, DETECTION) as visitor, Visitor(dashboard.address, DETECTION) as other:
        address = visitor.made_file(page_labels.FACES_JSON)
        for confidence in np.linspace(0.1, 0.9, 12).round(2):
            other.slide(page_labels.CONFIDENCE, confidence)
            other.made_file(page_labels.FACES_JSON)
        assert "photos" in requests.get(address, timeout=PATIENCE).json()


def test_a_full_queue_tells_the_position_and_loses_nobody(dashboard, gate):
    visitors = [Visitor(dashboard.address, DETECTION) for _ in range(6)]
    for number, visitor in enumerate(visitors):
        visitor.upload(page_labels.PHOTOS, "own.jpg", photos(100 + number, 1)[0])
    *waiting, last = visitors
    with ThreadPoolExecutor(len(waiting)) as threads:
        moves = [threads.submit(visitor.slide, page_labels.LONGER_SIDE, LARGE) for visitor in waiting]
        places = {f"Waiting: position {place} in the queue." for place in (1, 2, 3, 4)}
        full = eventually(lambda: places <= set().union(*(visitor.told for visitor in waiting)))
        last.slide(page_labels.LONGER_SIDE, LARGE)
        gate.touch()
        for move in moves:
            move.result()
    assert full
    refusal = "All models are busy (queue position 5). Try again in a few seconds."
    assert refusal in {text.replace("\\", "") for text in last.told}
    last.slide(page_labels.LONGER_SIDE, LARGE)
    for visitor in visitors:
        assert visitor.elements("bidi_component"), "the faces are shown in the end"
        visitor.vanish()


def test_an_upload_needs_the_token_of_the_page(dashboard):
    with Visitor(dashboard.address, DETECTION) as visitor:
        url = dashboard.address + visitor.upload_url("own.jpg")
        file = {"file": ("own.jpg", photos(300, 1)[0])}
        assert requests.put(url, files=file, timeout=PATIENCE).status_code == 403
        assert (
            requests.put(url, files=file, headers={"X-Xsrftoken": "guessed"}, timeout=PATIENCE).status_code
            == 403
        )
        visitor.upload(page_labels.PHOTOS, "own.jpg", photos(300, 1)[0])  # with the token it is taken


def test_another_site_cannot_open_a_session(dashboard):
    address = dashboard.address.replace("http", "ws") + "/_stcore/stream"
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, subprotocols=["streamlit"], origin=ELSEWHERE, open_timeout=PATIENCE, legacy=True)
    answer = requests.get(
        f"{dashboard.address}/_stcore/health",
        headers={"Origin": ELSEWHERE},
        timeout=PATIENCE,
    )
    assert "Access-Control-Allow-Origin" not in answer.headers
