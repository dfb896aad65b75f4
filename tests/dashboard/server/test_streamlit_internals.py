"""Private parts of Streamlit and Starlette: there today, and missed by name when they are gone."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import make_dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import requests
import streamlit as st
from starlette.formparsers import MultiPartParser
from streamlit import file_util, net_util
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.runtime import Runtime
from streamlit.runtime.backend_operation_handler import DeferredFileHandler
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.scriptrunner_utils import script_run_context
from streamlit.web.server import server_util
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from featherface.dashboard.server import streamlit_internals as internals
from featherface.dashboard.server.streamlit_internals import InternalsError, check_internals
from featherface.detection.images import ImageError


def test_the_installed_versions_have_every_part():
    check_internals()


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        (
            MultiPartParser,
            "spool_max_size",
            "starlette.formparsers.MultiPartParser.spool_max_size is missing",
        ),
        (net_util, "get_external_ip", "streamlit.net_util.get_external_ip is missing"),
        (Runtime, "close_session", "Runtime.close_session is missing"),
        (MediaFileManager, "add", "MediaFileManager.add is missing"),
        (DeferredFileHandler, "handle", "DeferredFileHandler.handle behaves differently"),
    ],
)
def test_a_part_that_is_gone_is_named(monkeypatch, owner, name, words):
    monkeypatch.delattr(owner, name)
    with pytest.raises(InternalsError) as raised:
        check_internals()
    message = str(raised.value)
    assert words in message
    assert st.__version__ in message or "starlette 1." in message or "starlette 0." in message
    assert message.endswith(".")


SERVER = Path(internals.__file__).parent


def fresh(monkeypatch: pytest.MonkeyPatch, path: Path) -> ModuleType:
    """Import a file of the package once more, as at the start of a process."""
    spec = spec_from_file_location(f"fresh_{path.stem}", path)
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        "starlette.formparsers",
        "streamlit.delta_generator_singletons",
        "streamlit.file_util",
        "streamlit.net_util",
        "streamlit.proto.BackMsg_pb2",
        "streamlit.proto.ForwardMsg_pb2",
        "streamlit.runtime.backend_operation_handler",
        "streamlit.runtime.media_file_manager",
        "streamlit.runtime.memory_uploaded_file_manager",
        "streamlit.runtime.scriptrunner",
        "streamlit.runtime.scriptrunner_utils.script_run_context",
        "streamlit.web.server.server_util",
        "streamlit.web.server.starlette.starlette_routes",
    ],
)
def test_a_module_that_is_gone_is_named_by_the_check_and_not_by_an_import(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    module = fresh(monkeypatch, SERVER / "streamlit_internals.py")
    with pytest.raises(module.InternalsError, match=rf"^{re.escape(name)}\.\S+ is missing in st"):
        module.check_internals()


def test_a_context_without_its_uploads_is_named(monkeypatch):
    monkeypatch.setattr(script_run_context, "ScriptRunContext", make_dataclass("Context", ["session_id"]))
    with pytest.raises(InternalsError, match=r"ScriptRunContext has no uploaded_file_mgr in streamlit"):
        check_internals()


def test_importing_the_headers_uses_no_private_part(monkeypatch):
    monkeypatch.delattr(file_util, "get_static_dir")
    fresh(monkeypatch, SERVER / "security_headers.py")


def test_a_part_with_other_arguments_is_named(monkeypatch):
    monkeypatch.setattr(Runtime, "is_active_session", lambda self, session: False)
    with pytest.raises(InternalsError, match=r"is_active_session takes other arguments \(self, session\)"):
        check_internals()


def test_a_look_up_of_the_public_address_by_another_way_is_noticed(monkeypatch):
    """A patch of a function that Streamlit no longer calls would do nothing, and the server phone home."""
    monkeypatch.setattr(server_util, "is_url_from_allowed_origins", lambda url: False)
    with pytest.raises(InternalsError, match=r"is_url_from_allowed_origins behaves differently"):
        check_internals()


def test_the_public_address_is_not_looked_up(monkeypatch):
    asked = []
    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)
    monkeypatch.setattr(requests, "get", lambda *_, **__: asked.append(1))
    internals.disable_public_ip_lookup()
    assert not server_util.is_url_from_allowed_origins("http://elsewhere.example")
    assert asked == []


def test_connections_send_every_message_at_once(monkeypatch):
    """A socket as Streamlit makes it: asyncio leaves Nagle's algorithm on where the protocol is not named."""
    connected = []
    monkeypatch.setattr(AutoHTTPProtocol, "connection_made", lambda _, transport: connected.append(transport))
    internals.send_messages_at_once()
    with socket.socket(socket.AF_INET) as connection:
        assert not connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport = asyncio.Transport({"socket": connection})
        AutoHTTPProtocol.connection_made(object(), transport)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert connected == [transport]


def outcome_of_download(make: Callable[[], bytes]) -> tuple[str, str]:
    """Return the URL and the error that a browser is sent for a file made on demand."""
    manager = MediaFileManager(MemoryMediaFileStorage("/media"))
    file_id = manager.add_deferred(make, "text/plain", "0.0", "file.txt")
    request = BackendOperationRequest(request_id="1")
    request.deferred_file.file_id = file_id
    answer = asyncio.run(DeferredFileHandler(lambda: manager).handle(request, "session"))
    return answer.deferred_file.url, answer.error_msg


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeferredFileHandler, "handle", DeferredFileHandler.handle)
    internals.show_reasons_of_failed_downloads()


def failing(error: Exception) -> Callable[[], bytes]:
    def make() -> bytes:
        raise error

    return make


@pytest.mark.usefixtures("reasons")
@pytest.mark.parametrize(
    ("error", "words", "logged"),
    [
        (ImageError("The photo is gone; choose it again."), "The photo is gone; choose it again.", False),
        (MemoryError(), "not enough memory", False),
        (RuntimeError("a secret"), "could not be created; see the server log", True),
    ],
)
def test_a_download_that_fails_says_why(error, words, logged, caplog):
    url, message = outcome_of_download(failing(error))
    assert not url
    assert words in message
    assert "secret" not in message
    assert bool([record for record in caplog.records if record.name == internals.__name__]) is logged


@pytest.mark.usefixtures("reasons")
def test_a_download_that_does_not_fail_has_a_url():
    url, message = outcome_of_download(lambda: b"text")
    assert url.startswith("/media/")
    assert not message
