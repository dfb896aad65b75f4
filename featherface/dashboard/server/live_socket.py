"""The WebSocket over which a page's camera sends frames and receives faces.

The browser's first message is JSON with the page's token and the settings; later JSON messages change the
settings. A binary message is a frame: its number as a little-endian uint32, then a JPEG. Answers are JSON:
those of `LiveSession`, {"waiting": position} while all slots are taken, {"ready": true} when frames may come,
and {"closing": reason} before the server ends the connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import struct
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import streamlit as st
from starlette.websockets import WebSocket, WebSocketDisconnect

from featherface.dashboard.state.live import live_slots, live_tokens
from featherface.dashboard.state.shared_service import model_service
from featherface.errors import FeatherFaceError
from featherface.serving.live_session import MAX_FRAME_BYTES, LiveError, LiveSession, LiveSettings, Send
from featherface.serving.live_slots import LiveSlots, LiveTokens
from featherface.serving.model_service import ModelService

__all__ = ["CLOSE_BAD_MESSAGE", "CLOSE_NO_TOKEN", "CLOSE_TOO_BUSY", "LiveSocket", "live_socket"]

_LOG = logging.getLogger(__name__)

CLOSE_NO_TOKEN: Final = 4401
CLOSE_BAD_MESSAGE: Final = 4400
CLOSE_TOO_BUSY: Final = 4429
_HEADER = struct.Struct("<I")
_MAX_TEXT = 4_096  # characters of a JSON message
_MAX_RATE = 120  # messages per second; a camera sends 60 frames
_FIRST_SECONDS = 10.0  # for the token
_IDLE_SECONDS = 60.0


class _IdleLimit:
    """Cancels `scope` after `seconds` without a message, counted from `start` on."""

    def __init__(self, seconds: float) -> None:
        self.scope = anyio.CancelScope()
        self._seconds = seconds
        self._started = False

    def start(self) -> None:
        self._started = True
        self.put_off()

    def put_off(self) -> None:
        if self._started:
            self.scope.deadline = anyio.current_time() + self._seconds


class LiveSocket:
    """ASGI endpoint of the live view; `tokens` decides who may connect.

    idle_seconds: without a message for so long, a slot goes to the next visitor.
    """

    def __init__(
        self,
        service: ModelService,
        tokens: LiveTokens,
        slots: LiveSlots,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        self._service = service
        self._tokens = tokens
        self._slots = slots
        self._idle_seconds = idle_seconds
        self._current: dict[str, WebSocket] = {}  # by token: a page that reloads replaces its connection

    async def __call__(self, socket: WebSocket) -> None:
        """Serve one connection until the browser leaves."""
        if not same_origin(socket):
            await socket.close()  # before it is accepted: the browser sees HTTP 403
            return
        await socket.accept()
        with suppress(WebSocketDisconnect):
            try:
                await self._serve(socket)
            except FeatherFaceError as error:
                await _end(socket, CLOSE_BAD_MESSAGE, str(error))
            except TimeoutError:
                await _end(socket, CLOSE_BAD_MESSAGE, "Nothing has arrived for too long; reload the page.")

    async def _serve(self, socket: WebSocket) -> None:
        first = _parsed(await asyncio.wait_for(_received(socket), _FIRST_SECONDS))
        token = first.get("token")
        if not isinstance(token, str) or not self._tokens.valid(token):
            await _end(socket, CLOSE_NO_TOKEN, "This page is out of date; reload it.")
            return
        settings = LiveSettings.from_message(first)
        before = self._current.get(token)
        self._current[token] = socket
        if before is not None:
            with suppress(RuntimeError):  # it has gone already
                await before.close(CLOSE_BAD_MESSAGE)
        try:
            await self._wait_and_run(socket, settings)
        finally:
            if self._current.get(token) is socket:
                del self._current[token]

    async def _wait_and_run(self, socket: WebSocket, settings: LiveSettings) -> None:
        """Wait for a slot and run the session in it until the browser leaves; raises the reason.

        Messages are read while the browser waits too: one that leaves gives up its place at once.
        """
        session = LiveSession(self._service, _sender(socket), settings)
        idle = _IdleLimit(self._idle_seconds)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run_in_turn, socket, session, idle)
            try:
                with idle.scope:
                    await _feed(socket, session, idle)
                raise TimeoutError
            except (FeatherFaceError, WebSocketDisconnect, TimeoutError) as error:
                reason = error
            tasks.cancel_scope.cancel()
        raise reason

    async def _run_in_turn(self, socket: WebSocket, session: LiveSession, idle: _IdleLimit) -> None:
        send = _sender(socket)

        async def tell(position: int) -> None:
            await send({"waiting": position})

        async with self._slots.slot(tell) as granted:
            if not granted:
                await _end(socket, CLOSE_TOO_BUSY, "Too many live views are open; try again later.")
                return
            idle.start()
            await send({"ready": True})
            await session.run()


def _sender(socket: WebSocket) -> Send:
    """Return what sends an answer; once the browser has left there is nobody to tell."""

    async def send(message: dict[str, Any]) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_json(message)

    return send


@st.cache_resource(show_spinner=False)
def live_socket() -> LiveSocket:
    """Return the endpoint of this process."""
    return LiveSocket(model_service(), live_tokens(), live_slots())


async def _feed(socket: WebSocket, session: LiveSession, idle: _IdleLimit) -> None:
    """Pass frames and settings on until the browser leaves or `idle` cancels this.

    Raises WebSocketDisconnect, and LiveError for what is neither frame nor settings.
    """
    recent: deque[float] = deque(maxlen=_MAX_RATE)
    while True:
        message = await _received(socket)
        idle.put_off()
        now = time.monotonic()
        if len(recent) == _MAX_RATE and now - recent[0] < 1:
            raise LiveError(f"More than {_MAX_RATE} messages per second arrived.")
        recent.append(now)
        if isinstance(message, str):
            await session.change(LiveSettings.from_message(_parsed(message)))
        elif len(message) <= _HEADER.size or len(message) > _HEADER.size + MAX_FRAME_BYTES:
            raise LiveError(
                f"A frame of {len(message)} bytes is not a JPEG of at most {MAX_FRAME_BYTES} bytes."
            )
        else:
            (number,) = _HEADER.unpack_from(message)
            await session.offer(number, message[_HEADER.size :])


async def _received(socket: WebSocket) -> str | bytes:
    """Return the next message. Raises WebSocketDisconnect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    data: str | bytes | None = message.get("bytes")
    return data if data is not None else str(message["text"])


def _parsed(text: str | bytes) -> dict[str, Any]:
    refusal = f"A message is not JSON of at most {_MAX_TEXT:,} characters."
    if isinstance(text, bytes) or len(text) > _MAX_TEXT:
        raise LiveError(refusal)
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LiveError(refusal) from error
    if not isinstance(message, dict):
        raise LiveError("A message of the live view is not a JSON object.")
    return message


async def _end(socket: WebSocket, code: int, reason: str) -> None:
    _LOG.info("A live view was closed: %s", reason)
    with suppress(RuntimeError):
        await socket.send_json({"closing": reason})
        await socket.close(code)


def same_origin(socket: WebSocket) -> bool:
    """Return whether the page that opens `socket` came from this server: Origin and Host name one place.

    Browsers let any page open a WebSocket to any server and only say from where. A request without Origin is
    no browser's and is refused too.
    """
    origin = urlsplit(socket.headers.get("origin", ""))
    return bool(origin.netloc) and origin.netloc.lower() == socket.headers.get("host", "").lower()
