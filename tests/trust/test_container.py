"""What the project is deployed with: the container's recipe, Streamlit's settings."""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser
from streamlit import config

from featherface.dashboard.server.streamlit_internals import keep_uploads_in_memory
from featherface.video.decoding import MAX_VIDEO_BYTES

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
HADOLINT = Path(sys.executable).with_name("hadolint")
SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key", re.IGNORECASE)
RECOMMENDED = {
    "server.address": "127.0.0.1",
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.corsAllowedOrigins": [],
    "server.xsrfCookieSameSite": "lax",
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": MAX_VIDEO_BYTES // 10**6,  # the largest upload of any page
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "viewer",
    "browser.gatherUsageStats": False,
    "browser.serverAddress": "localhost",
    "global.developmentMode": False,
}


def instructions(text: str, name: str) -> list[str]:
    structure = DockerfileParser(fileobj=io.BytesIO(text.encode())).structure
    return [each["value"] for each in structure if each["instruction"] == name]


def weaknesses(text: str) -> Iterator[str]:
    """Name what a container made by this recipe would be weak in."""
    for image in instructions(text, "FROM"):
        if not re.fullmatch(r"python:3\.11(\.\d+)?-slim(-\w+)?", image):
            yield "base image"
    users = instructions(text, "USER")
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        yield "root"
    checks = instructions(text, "HEALTHCHECK")
    if not checks or "127.0.0.1:8501/_stcore/health" not in checks[-1] or re.search("curl|wget", checks[-1]):
        yield "health check"
    if instructions(text, "EXPOSE") != ["8501"]:
        yield "port"
    if instructions(text, "CMD")[-1:] != ['["streamlit", "run", "app.py", "--server.address=0.0.0.0"]']:
        yield "command"
    pip = [line for line in instructions(text, "RUN") if "pip install" in line]
    if not pip or not all("--no-cache-dir" in line and "-r requirements.txt" in line for line in pip):
        yield "pins"
    if instructions(text, "ADD") or not all(map(served, instructions(text, "COPY"))):
        yield "copies"
    if any(
        SECRET.search(line) for kind in ("ARG", "ENV", "RUN", "COPY") for line in instructions(text, kind)
    ):
        yield "secret"


def served(copy: str) -> bool:
    """Whether all that is copied exists and is let through to the builder."""
    *sources, _ = copy.split()
    return all((ROOT / source).exists() and source in let_through() for source in sources)


def let_through() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*", "everything is left out but for what is named"
    return {line[1:].split("/")[0] for line in lines if line.startswith("!")}


def test_the_dockerfile_is_free_of_known_weaknesses():
    assert list(weaknesses(DOCKERFILE)) == []


@pytest.mark.parametrize(
    ("old", "new", "weakness"),
    [
        ("python:3.11-slim", "python:latest", "base image"),
        ("python:3.11-slim", "python", "base image"),
        ("USER 10001:10001", "USER root", "root"),
        ("USER 10001:10001", "USER 0:0", "root"),
        ("USER 10001:10001", "USER 10001:10001\nUSER root", "root"),
        ("USER 10001:10001\n", "", "root"),
        ("HEALTHCHECK", "# HEALTHCHECK", "health check"),
        ("_stcore/health", "_stcore/metrics", "health check"),
        ("EXPOSE 8501", "EXPOSE 22 8501", "port"),
        ("--server.address=0.0.0.0", "--server.enableXsrfProtection=false", "command"),
        ("--no-cache-dir ", "", "pins"),
        ("-r requirements.txt", "streamlit", "pins"),
        ("COPY pages pages", "COPY . .", "copies"),
        ("COPY pages pages", "COPY tests tests", "copies"),
        ("COPY pages pages", "COPY pagers pagers", "copies"),
        ("COPY pages pages", "ADD https://example.org/pages.tar pages", "copies"),
        ("ENV ", "ENV API_KEY=1 ", "secret"),
        ("ARG ", "ARG DB_PASSWORD\nARG ", "secret"),
    ],
)
def test_each_weakness_is_found(old, new, weakness):
    assert old in DOCKERFILE
    assert weakness in set(weaknesses(DOCKERFILE.replace(old, new)))


def hadolint(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HADOLINT, "-"], input=text, capture_output=True, text=True, check=False)


def test_the_dockerfile_passes_the_linter():
    result = hadolint(DOCKERFILE)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_linter_can_fail():
    assert "DL3002" in hadolint(DOCKERFILE.replace("USER 10001:10001", "USER root")).stdout


def test_the_builder_is_given_only_what_serving_needs():
    assert let_through() == {
        *("requirements.txt", "constraints.txt", "app.py", "LICENSE"),
        *(".streamlit", "assets", "featherface", "pages", "weights"),
    }


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """All settings of Streamlit, by name, as a server started in the project's folder has them."""
    program = """
import json
from streamlit import config
print(json.dumps({name: each.value for name, each in config.get_config_options().items()}, default=str))
"""
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(shown.stdout)


@pytest.mark.parametrize("name", RECOMMENDED)
def test_streamlit_is_set_as_recommended(settings, name):
    assert settings[name] == RECOMMENDED[name]


def upload(size: int) -> UploadFile:
    """Return a file of `size` bytes as the server's reader of uploads hands it on."""
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'

    async def parts() -> AsyncIterator[bytes]:
        yield head + bytes(size) + b"\r\n--edge--\r\n"

    headers = Headers({"content-type": "multipart/form-data; boundary=edge"})
    return asyncio.run(MultiPartParser(headers, parts()).parse())["file"]


def test_uploads_never_touch_the_disk(monkeypatch):
    monkeypatch.setattr(MultiPartParser, "spool_max_size", MultiPartParser.spool_max_size)
    largest = 2**20 * config.get_option("server.maxUploadSize")
    assert largest > MAX_VIDEO_BYTES
    with upload(largest).file as file:
        assert file.name is not None  # by default it has a place on the disk
    keep_uploads_in_memory()
    with upload(largest).file as file:
        assert file.name is None


def test_streamlit_knows_every_setting():
    """A misspelt one would be dropped with no more than a line in the log."""
    file = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert set(names(file, ())) <= set(config.get_config_options())


def names(table: dict, path: Sequence[str]) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from names(value, (*path, key))
        else:
            yield ".".join((*path, key))
