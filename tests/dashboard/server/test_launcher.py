"""The launcher in a process of its own: addresses, security headers, ports, and what the log says."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from benchmarks.visitor import Dashboard, Visitor, served

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120  # seconds
PAGES = (  # every page, the first one last: on a fresh server another one opens from its link
    *sorted({file.stem for file in (ROOT / "pages").glob("*.py")} - {"overview"}),
    "",
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("launcher") / "log.txt"


@pytest.fixture(scope="module")
def dashboard(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard without weights, which starts fastest."""
    with served(tmp_path_factory.mktemp("no_weights"), log) as running:
        yield running


def script_address(dashboard: Dashboard) -> str:
    page = requests.get(dashboard.address, timeout=PATIENCE).text
    return re.search(r'src="\.(/static/js/[^"]+)"', page).group(1)


ADDRESSES = {
    "the first page": ("GET", "/", 200),
    "a page, opened by its link": ("GET", "/detection", 200),
    "a redirect": ("GET", "/overview", 307),
    "Streamlit's script": ("GET", None, 200),
    "a health check": ("GET", "/_stcore/health", 200),
    "a media file that does not exist": ("GET", "/media/none.jpg", 404),
    "an upload without a token": ("PUT", "/_stcore/upload_file/session/file", 403),
    "a path that climbs": ("GET", "/static/%2e%2e/%2e%2e/etc/passwd", 400),
}


@pytest.mark.parametrize("what", ADDRESSES)
def test_every_response_has_the_security_headers(dashboard, what):
    method, path, status = ADDRESSES[what]
    answer = requests.request(
        method,
        dashboard.address + (path or script_address(dashboard)),
        allow_redirects=False,
        timeout=PATIENCE,
    )
    assert answer.status_code == status
    policy = dict(
        directive.strip().split(" ", 1) for directive in answer.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert policy["object-src"] == "'none'"
    for name, sources in policy.items():  # no other machine, no eval, no inline script but known ones
        allowed = r"'self'|'none'|data:|blob:|'sha256-[\w+/=]+'"
        allowed += r"|'unsafe-inline'" if name == "style-src" else ""
        assert all(re.fullmatch(allowed, source) for source in sources.split()), name
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "camera=(self)" in answer.headers["Permissions-Policy"]
    assert "microphone=()" in answer.headers["Permissions-Policy"]


def test_a_web_socket_of_another_site_is_refused(dashboard):
    address = dashboard.address.replace("http", "ws") + "/_stcore/stream"
    with pytest.raises(InvalidStatus) as refused:
        connect(address, subprotocols=["streamlit"], origin="http://elsewhere.example", legacy=True)
    assert refused.value.response.status_code == 403


def test_the_first_page_also_has_an_address_by_name(dashboard):
    answer = requests.get(f"{dashboard.address}/overview?photo=grace_hopper", timeout=PATIENCE)
    assert answer.url == f"{dashboard.address}/?photo=grace_hopper"


def test_every_page_opens_from_its_link_without_a_word_in_the_log(dashboard, log):
    """The first of them may be the first page that a fresh server shows."""
    for page in PAGES:
        with Visitor(dashboard.address, page) as visitor:
            assert visitor.page == page
            assert set(visitor.pages) == set(PAGES)
    lines = [line.strip() for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert [line for line in lines if "Rejecting WebSocket" not in line] == [  # as another test provokes
        "You can now view your Streamlit app in your browser.",
        f"URL: http://localhost:{dashboard.address.rsplit(':', 1)[1]}",
    ]


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Take a port of this machine, unless somebody has it already."""
    with closing(socket.socket()) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", port))
            holder.listen()
        except OSError:
            pass  # just as good
        yield


def test_a_port_that_is_taken_is_left_for_the_next_free_one(tmp_path):
    """As `make run` starts it; the other tests' dashboard is one of `streamlit run`."""
    environment = {name: value for name, value in os.environ.items() if name != "STREAMLIT_SERVER_PORT"}
    with taken(8501), (tmp_path / "log.txt").open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-u", "app.py"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
        try:
            address = next(line for line in server.stdout if "URL:" in line).split("URL:")[1].strip()
            port = int(address.rsplit(":", 1)[1])
            assert port > 8501
            requests.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=PATIENCE).raise_for_status()
        finally:
            server.kill()  # an orderly end would wait until PyTorch is loaded
            server.communicate(timeout=PATIENCE)
    said = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert said == f"Port 8501 is in use; the dashboard runs on port {port} instead.\n"
