"""The dashboard in a process of its own, and visitors who speak the browser's protocol without a browser.

Twenty browsers would need more of the machine than the server under test. A `Visitor` sends and receives
exactly the messages that the page in a browser does, over the same web socket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psutil
import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs, UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

__all__ = ["PATIENCE", "ROOT", "Dashboard", "PageError", "Visitor", "served"]

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180  # seconds for one answer, all of it; beyond it the dashboard counts as hanging


class PageError(RuntimeError):
    """The page showed a traceback, or a run of it did not end well."""


@dataclass(frozen=True)
class Dashboard:
    """A running dashboard."""

    address: str
    process: psutil.Process
    started: float  # time.perf_counter() when the process was started

    @property
    def memory(self) -> int:
        """Resident memory of the server's process in bytes."""
        return self.process.memory_info().rss

    def processor_seconds(self) -> float:
        """Return the processor time that the server has used so far, on all threads."""
        times = self.process.cpu_times()
        return times.user + times.system

    def open_sessions(self) -> int:
        """Return how many sessions the server counts as connected."""
        answer = requests.get(f"{self.address}/_stcore/metrics?families=active_sessions", timeout=PATIENCE)
        answer.raise_for_status()
        (line,) = (line for line in answer.text.splitlines() if line.startswith("active_sessions "))
        return int(line.split()[1])


@contextmanager
def served(
    weights: Path, log: Path, prepare: str = "", base_path: str = "", port: int | None = None
) -> Iterator[Dashboard]:
    """Run the dashboard on this machine, on a free port or on `port`, with the weights of a folder.

    `prepare` is Python that the server's process runs first, for instance to make limits small. With
    `base_path` the dashboard lies below that path, as behind a proxy.
    """
    port = port or _free_port()
    program = f"{prepare}\nfrom streamlit.web.cli import main\nmain(prog_name='streamlit')"
    options = [f"--server.port={port}", f"--server.baseUrlPath={base_path}"]
    command = [sys.executable, "-c", program, "run", "app.py", *options]
    environment = {**os.environ, "FEATHERFACE_WEIGHTS": str(weights)}
    started = time.perf_counter()
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    address = f"http://127.0.0.1:{port}/{base_path}".rstrip("/")
    try:
        _await_health(address, server)
        yield Dashboard(address, psutil.Process(server.pid), started)
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _await_health(address: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"The dashboard ended with status {server.returncode}; see its log.")
        try:
            if requests.get(f"{address}/_stcore/health", timeout=5).ok:
                return
        except (requests.ConnectionError, requests.Timeout):  # not yet there, or busy
            time.sleep(0.02)
    raise RuntimeError("The dashboard does not answer.")


@dataclass(frozen=True)
class _Shown:
    element: Element
    fragment: str  # the part of the page that runs again for it; empty for the whole page


class Visitor:
    """One session of the dashboard: what is on its page, and the ways to change it.

    Every method that acts returns the milliseconds from sending to the end of the run that it caused.
    """

    def __init__(self, address: str, page: str = "", patience: float = PATIENCE) -> None:
        """Open the page with the path `page` and wait until it is complete.

        Whatever is not there within `patience` seconds raises PageError, also while messages still come.
        """
        self._address = address
        self._patience = patience
        self._socket = connect(
            f"ws://{urlsplit(address).netloc}/_stcore/stream",
            subprotocols=["streamlit"],
            origin=address,
            max_size=None,
            open_timeout=PATIENCE,
            legacy=True,  # for a connection that outlives this function
        )
        self._shown: dict[tuple[int, ...], _Shown] = {}
        self._values: dict[str, WidgetState] = {}
        self._repeated: set[str] = set()  # fragments that the page wants run again every so often
        self._page_hash = ""
        self._query = ""  # of the page's address, as the server last set it
        self._session = ""
        self.page = ""  # the path of the page that is shown, empty for the first page
        self.pages: tuple[str, ...] = ()  # the paths of all pages, in the order of the navigation
        self.told: set[str] = set()  # every message shown so far, also those that were gone again at once
        self.opened = self._run(page=page)  # milliseconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def vanish(self) -> None:
        """Ask for a run of the page and drop the connection at once, as a lost network does."""
        self._socket.send(self._request().SerializeToString())
        with contextlib.suppress(OSError):  # the server may have been faster
            self._socket.socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def upload_url(self, name: str) -> str:
        """Return where the server wants a file, as a path."""
        return self._upload_urls(name).upload_url

    def half_upload(self, name: str, data: bytes) -> HTTPConnection:
        """Send half of a file and return the connection that carries it, still open."""
        with requests.Session() as web:
            put = self._put(web, self._upload_urls(name).upload_url, name, data)
        connection = HTTPConnection(urlsplit(self._address).netloc, timeout=PATIENCE)
        connection.putrequest(put.method, put.path_url)
        for header, value in put.headers.items():
            connection.putheader(header, value)
        connection.endheaders(put.body[: len(put.body) // 2])
        return connection

    def go(self, page: str) -> float:
        """Open another page of the dashboard."""
        self._page_hash = self._query = ""
        return self._run(page=page)

    def slide(self, label: str, value: float) -> float:
        """Move a slider."""
        shown = self._find("slider", label)
        state = WidgetState(id=shown.element.slider.id)
        state.double_array_value.data.append(value)
        return self._set(state, shown.fragment)

    def enter(self, label: str, number: int) -> float:
        """Put a whole number into a field for one."""
        shown = self._find("number_input", label)
        return self._set(WidgetState(id=shown.element.number_input.id, double_value=number), shown.fragment)

    def switch(self, label: str, on: bool) -> float:
        """Turn a toggle or check box on or off."""
        shown = self._find("checkbox", label)
        return self._set(WidgetState(id=shown.element.checkbox.id, bool_value=on), shown.fragment)

    def press(self, label: str) -> float:
        """Press a button."""
        shown = self._find("button", label)
        state = WidgetState(id=shown.element.button.id, trigger_value=True)
        return self._run(shown.fragment, once=state)

    def upload(self, label: str, name: str, data: bytes) -> float:
        """Give a file to an uploader, with a token against forged requests, as the browser does."""
        shown = self._find("file_uploader", label)
        start = time.perf_counter()
        urls = self._upload_urls(name)
        with requests.Session() as web:
            web.send(self._put(web, urls.upload_url, name, data), timeout=PATIENCE).raise_for_status()
        state = WidgetState(id=shown.element.file_uploader.id)
        state.file_uploader_state_value.uploaded_file_info.append(
            UploadedFileInfo(name=name, size=len(data), file_id=urls.file_id, file_urls=urls)
        )
        self._set(state, shown.fragment)
        return 1000 * (time.perf_counter() - start)

    def download(self, label: str) -> bytes:
        """Return the file behind a download button that makes it when asked."""
        got = requests.get(self.made_file(label), timeout=PATIENCE)
        got.raise_for_status()
        return got.content

    def made_file(self, label: str) -> str:
        """Have a download button make its file; return the address that a browser then fetches."""
        shown = self._find("download_button", label)
        message = BackMsg()
        request = message.backend_operation_request
        request.request_id, request.session_id = uuid.uuid4().hex, self._session
        request.deferred_file.file_id = shown.element.download_button.deferred_file_id
        self._socket.send(message.SerializeToString())
        response = self._awaited("backend_operation_response").backend_operation_response
        if response.error_msg:
            raise PageError(response.error_msg)
        return self._address + response.deferred_file.url

    def refresh(self) -> bool:
        """Run what the page wants run every so often; return whether there was anything."""
        repeated = sorted(self._repeated)
        for fragment in repeated:
            if fragment in self._repeated:  # the one before may have run the whole page again
                self._run(fragment)
        return bool(repeated)

    def elements(self, kind: str) -> list[object]:
        """Return what the page shows of one kind, by the names in Streamlit's Element message."""
        return [
            getattr(shown.element, kind)
            for _, shown in sorted(self._shown.items())
            if shown.element.WhichOneof("type") == kind
        ]

    def _upload_urls(self, name: str) -> FileURLs:
        message = BackMsg()
        message.file_urls_request.request_id = uuid.uuid4().hex
        message.file_urls_request.session_id = self._session
        message.file_urls_request.file_names.append(name)
        self._socket.send(message.SerializeToString())
        return self._awaited("file_urls_response").file_urls_response.file_urls[0]

    def _put(self, web: requests.Session, url: str, name: str, data: bytes) -> requests.PreparedRequest:
        web.get(f"{self._address}/_stcore/health", timeout=PATIENCE)
        token = web.cookies.get("_streamlit_xsrf", "")
        request = requests.Request(
            "PUT", self._address + url, files={"file": (name, data)}, headers={"X-Xsrftoken": token}
        )
        return web.prepare_request(request)

    def _find(self, kind: str, label: str) -> _Shown:
        for shown in self._shown.values():
            if shown.element.WhichOneof("type") == kind and getattr(shown.element, kind).label == label:
                return shown
        raise PageError(f"The page has no {kind} {label!r}.")

    def _set(self, state: WidgetState, fragment: str) -> float:
        self._values[state.id] = state
        return self._run(fragment)

    def _run(self, fragment: str = "", page: str = "", once: WidgetState | None = None) -> float:
        start = time.perf_counter()
        self._socket.send(self._request(fragment, page, once).SerializeToString())
        deadline = time.monotonic() + self._patience
        while not self._take(self._receive(deadline), fragment):
            pass
        if tracebacks := self.elements("exception"):
            raise PageError(f"{tracebacks[0].type}: {tracebacks[0].message}")
        return 1000 * (time.perf_counter() - start)

    def _request(self, fragment: str = "", page: str = "", once: WidgetState | None = None) -> BackMsg:
        message = BackMsg()
        state = message.rerun_script
        state.page_name, state.page_script_hash, state.fragment_id = page, self._page_hash, fragment
        state.query_string = self._query
        state.widget_states.widgets.extend(self._values.values())
        if once is not None:
            state.widget_states.widgets.append(once)
        return message

    def _awaited(self, kind: str) -> ForwardMsg:
        """Return the next message of a kind; those before it are dropped."""
        deadline = time.monotonic() + self._patience
        while (message := self._receive(deadline)).WhichOneof("type") != kind:
            pass
        return message

    def _receive(self, deadline: float) -> ForwardMsg:
        """Return the next message. Raises PageError if there is none until `deadline`, time.monotonic()."""
        message = ForwardMsg()
        try:
            message.ParseFromString(self._socket.recv(timeout=max(deadline - time.monotonic(), 0)))
        except TimeoutError as error:
            raise PageError(f"The answer was not complete after {self._patience:.0f} s.") from error
        return message

    def _take(self, message: ForwardMsg, fragment: str) -> bool:
        """Bring the page up to date; return whether the run that was asked for has ended."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._session = message.new_session.initialize.session_id
            self._begin(set(message.metadata.run.fragment_ids))
        elif kind == "auto_rerun":
            self._repeated.add(message.auto_rerun.fragment_id)
        elif kind == "stop_auto_rerun":
            self._repeated -= set(message.stop_auto_rerun.fragment_ids)
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            path = tuple(message.metadata.delta_path)
            self._shown[path] = _Shown(message.delta.new_element, message.delta.fragment_id)
            if message.delta.new_element.WhichOneof("type") == "alert":
                self.told.add(message.delta.new_element.alert.body)
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "navigation":
            self._page_hash = message.navigation.page_script_hash
            paths = {
                page.page_script_hash: "" if page.is_default else page.url_pathname
                for page in message.navigation.app_pages
            }
            self.page, self.pages = paths[self._page_hash], tuple(paths.values())
        elif kind == "script_finished":
            status = ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)
            if "COMPILE_ERROR" in status:
                raise PageError(status)
            return "EARLY" not in status
        return False

    def _begin(self, fragments: set[str]) -> None:
        """Take from the page what the run of `fragments`, or else of all of it, will show again."""
        if fragments:
            self._shown = {
                path: shown for path, shown in self._shown.items() if shown.fragment not in fragments
            }
        else:
            self._shown, self._repeated = {}, set()
