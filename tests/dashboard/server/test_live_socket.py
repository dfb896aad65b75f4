"""The live view's WebSocket: who is let in, what is refused, and that visitors' frames never mix."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping

import cv2
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from featherface.dashboard.server.live_socket import (
    CLOSE_BAD_MESSAGE,
    CLOSE_NO_TOKEN,
    CLOSE_TOO_BUSY,
    LiveSocket,
)
from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.serving.live_session import MAX_FRAME_BYTES
from featherface.serving.live_slots import LiveSlots, LiveTokens
from tests.video.seeded import faces

KEY = next(iter(MODELS))
ORIGIN = {"origin": "http://testserver"}


class GreyLevels:
    """A service that finds one face per frame, whose left edge is the frame's grey level."""

    def detect_frame(
        self, photo: Photo, key: str, settings: DetectionSettings, *, weights: object = None
    ) -> tuple[Detections, Mapping[str, float]]:
        level = round(float(photo.pixels.mean()))
        return faces((level, 0, level + 10, 10)), {"queue": 0.0}


@pytest.fixture
def tokens() -> LiveTokens:
    return LiveTokens()


@pytest.fixture
def client(tokens: LiveTokens) -> Iterator[TestClient]:
    with serving(tokens, LiveSlots(limit=2, max_waiting=0)) as made:
        yield made


def serving(tokens: LiveTokens, slots: LiveSlots, **limits: float) -> TestClient:
    live = LiveSocket(GreyLevels(), tokens, slots, **limits)

    async def endpoint(socket) -> None:
        await live(socket)

    return TestClient(Starlette(routes=[WebSocketRoute("/live/frames", endpoint)]))


def hello(tokens: LiveTokens, **settings) -> str:
    return json.dumps({"token": tokens.issue(), "models": [KEY], **settings})


def frame(number: int, level: int) -> bytes:
    _, data = cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))
    return struct.pack("<I", number) + data.tobytes()


def test_frames_come_back_as_faces(client: TestClient, tokens: LiveTokens) -> None:
    with client.websocket_connect("/live/frames", headers=ORIGIN) as socket:
        socket.send_text(hello(tokens))
        assert socket.receive_json() == {"ready": True}
        for number, level in ((1, 30), (2, 60)):
            socket.send_bytes(frame(number, level))
            answer = socket.receive_json()
            assert (answer["frame"], answer["model"]) == (number, KEY)
            assert answer["faces"]["boxes"][0][0] == level
        socket.send_text(json.dumps({"models": [KEY], "confidence": 0.9}))  # without a new connection
        socket.send_bytes(frame(3, 90))
        assert socket.receive_json()["frame"] == 3


def test_two_visitors_never_see_each_others_frames(client: TestClient, tokens: LiveTokens) -> None:
    with (
        client.websocket_connect("/live/frames", headers=ORIGIN) as one,
        client.websocket_connect("/live/frames", headers=ORIGIN) as other,
    ):
        for socket in (one, other):
            socket.send_text(hello(tokens))
            assert socket.receive_json() == {"ready": True}
        for number in range(1, 6):
            one.send_bytes(frame(number, 20))
            other.send_bytes(frame(number, 120))
            assert one.receive_json()["faces"]["boxes"][0][0] == 20
            assert other.receive_json()["faces"]["boxes"][0][0] == 120


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://testserver.evil.example"},
        {"origin": "http://testserver:81"},
        {"origin": "null"},
        {},
    ],
    ids=["foreign", "longer name", "other port", "sandboxed page", "no browser"],
)
def test_pages_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/live/frames", headers=headers),
    ):
        pass


@pytest.mark.parametrize("token", [None, "", "guess", 7, ["a"]])
def test_a_token_that_was_not_issued_is_refused(client: TestClient, token: object) -> None:
    with client.websocket_connect("/live/frames", headers=ORIGIN) as socket:
        socket.send_text(json.dumps({"token": token}))
        assert "reload" in socket.receive_json()["closing"]
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == CLOSE_NO_TOKEN


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"frame before the token", id="binary first"),
        pytest.param("no JSON", id="no JSON"),
        pytest.param("[" * 3_000, id="deep"),
        pytest.param("[]", id="no object"),
        pytest.param('"' + "a" * 5_000 + '"', id="long"),
    ],
)
def test_a_first_message_that_makes_no_sense(client: TestClient, message: str | bytes) -> None:
    with client.websocket_connect("/live/frames", headers=ORIGIN) as socket:
        (socket.send_bytes if isinstance(message, bytes) else socket.send_text)(message)
        assert "message" in socket.receive_json()["closing"]
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == CLOSE_BAD_MESSAGE


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(bytes(MAX_FRAME_BYTES + 5), id="too large"),
        pytest.param(b"\x01\x00\x00\x00", id="no JPEG at all"),
        pytest.param('{"confidence": 9}', id="setting out of range"),
        pytest.param('{"models": ["none"]}', id="no such model"),
    ],
)
def test_a_later_message_that_makes_no_sense_ends_the_connection(
    client: TestClient, tokens: LiveTokens, message: str | bytes
) -> None:
    with client.websocket_connect("/live/frames", headers=ORIGIN) as socket:
        socket.send_text(hello(tokens))
        socket.receive_json()
        (socket.send_bytes if isinstance(message, bytes) else socket.send_text)(message)
        assert socket.receive_json()["closing"].endswith(".")


def test_a_flood_of_messages_ends_the_connection(client: TestClient, tokens: LiveTokens) -> None:
    with client.websocket_connect("/live/frames", headers=ORIGIN) as socket:
        socket.send_text(hello(tokens))
        socket.receive_json()
        for _ in range(200):
            socket.send_text("{}")
        assert "messages per second" in socket.receive_json()["closing"]


def test_a_damaged_frame_is_a_sentence_and_the_connection_stays(
    client: TestClient, tokens: LiveTokens
) -> None:
    with client.websocket_connect("/live/frames", headers=ORIGIN) as socket:
        socket.send_text(hello(tokens))
        socket.receive_json()
        socket.send_bytes(struct.pack("<I", 1) + b"not a JPEG")
        assert socket.receive_json()["error"]
        socket.send_bytes(frame(2, 50))
        assert socket.receive_json()["frame"] == 2


def test_a_third_visitor_is_told_that_all_places_are_taken(client: TestClient, tokens: LiveTokens) -> None:
    with (
        client.websocket_connect("/live/frames", headers=ORIGIN) as one,
        client.websocket_connect("/live/frames", headers=ORIGIN) as other,
        client.websocket_connect("/live/frames", headers=ORIGIN) as third,
    ):
        for socket in (one, other):
            socket.send_text(hello(tokens))
            assert socket.receive_json() == {"ready": True}
        third.send_text(hello(tokens))
        assert "try again" in third.receive_json()["closing"]
        with pytest.raises(WebSocketDisconnect) as closed:
            third.receive_json()
    assert closed.value.code == CLOSE_TOO_BUSY


def test_a_page_that_connects_again_replaces_its_own_connection(
    client: TestClient, tokens: LiveTokens
) -> None:
    token = json.dumps({"token": tokens.issue(), "models": [KEY]})
    with client.websocket_connect("/live/frames", headers=ORIGIN) as before:
        before.send_text(token)
        assert before.receive_json() == {"ready": True}
        with client.websocket_connect("/live/frames", headers=ORIGIN) as now:
            now.send_text(token)
            assert now.receive_json() == {"ready": True}
            with pytest.raises(WebSocketDisconnect):
                before.receive_json()
            now.send_bytes(frame(1, 40))
            assert now.receive_json()["frame"] == 1


def test_who_leaves_while_waiting_gives_up_the_place(tokens: LiveTokens) -> None:
    with (
        serving(tokens, LiveSlots(limit=1, max_waiting=2)) as client,
        client.websocket_connect("/live/frames", headers=ORIGIN) as last,
    ):
        with client.websocket_connect("/live/frames", headers=ORIGIN) as first:
            first.send_text(hello(tokens))
            assert first.receive_json() == {"ready": True}
            with client.websocket_connect("/live/frames", headers=ORIGIN) as leaves:
                leaves.send_text(hello(tokens))
                assert leaves.receive_json() == {"waiting": 1}
                last.send_text(hello(tokens))
                assert last.receive_json() == {"waiting": 2}
            assert last.receive_json() == {"waiting": 1}
        assert last.receive_json() == {"ready": True}


def test_a_browser_that_falls_silent_loses_its_slot(tokens: LiveTokens) -> None:
    with (
        serving(tokens, LiveSlots(limit=1), idle_seconds=0.01) as client,
        client.websocket_connect("/live/frames", headers=ORIGIN) as socket,
    ):
        socket.send_text(hello(tokens))
        assert socket.receive_json() == {"ready": True}
        assert "for too long" in socket.receive_json()["closing"]
