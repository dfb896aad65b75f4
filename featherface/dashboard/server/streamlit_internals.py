"""Everything that relies on private or patched parts of Streamlit, Starlette and Uvicorn, in one place.

`check_internals` runs when the server starts and names the first part that is gone or has changed, so that an
upgrade of a library fails at once and here, not on a page or by quietly contacting another machine. For the
same reason private parts are imported where they are used: a module that is gone is reported by the check.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import socket
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, fields
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import streamlit as st
from streamlit.typing import UploadedFile

from featherface.errors import FeatherFaceError

if TYPE_CHECKING:
    from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
    from streamlit.proto.ForwardMsg_pb2 import BackendOperationResponse
    from streamlit.runtime import Runtime
    from streamlit.runtime.backend_operation_handler import DeferredFileHandler
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
    from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

__all__ = [
    "InternalsError",
    "add_media",
    "check_internals",
    "close_session",
    "create_container_stack",
    "current_session_id",
    "disable_public_ip_lookup",
    "discard_uploads",
    "hide_missing_context_warnings",
    "inline_script_hashes",
    "is_history_navigation",
    "is_port_chosen",
    "is_session_connected",
    "keep_uploads_in_memory",
    "release_unowned_media",
    "remove_orphaned_media",
    "send_messages_at_once",
    "show_reasons_of_failed_downloads",
]

_LOG = logging.getLogger(__name__)
_CONTEXT_MODULE = "streamlit.runtime.scriptrunner_utils.script_run_context"


class InternalsError(FeatherFaceError):
    """A private part of a library is not as this version of the dashboard needs it."""


@dataclass(frozen=True)
class _Part:
    """One private part of a library."""

    package: str
    module: str
    name: str  # within the module, dotted
    purpose: str  # completes "is needed to ..."
    parameters: tuple[str, ...] = ()  # that a call here passes, in this order
    mentions: tuple[str, ...] = ()  # names that its code looks up, so that a patch of them has an effect
    fields: tuple[str, ...] = ()  # of a dataclass, that are read here


_MESSAGES = "streamlit.proto"
_MEDIA = "streamlit.runtime.media_file_manager"
_UPLOADS = "streamlit.runtime.memory_uploaded_file_manager"
_PARTS: Final = (
    _Part("starlette", "starlette.formparsers", "MultiPartParser.spool_max_size", "keep uploads in memory"),
    _Part(
        "streamlit",
        "streamlit.web.server.starlette.starlette_routes",
        "create_upload_routes",
        "keep uploads in memory",
    ),
    _Part(
        "streamlit", "streamlit.net_util", "get_external_ip", "keep the server from contacting other machines"
    ),
    _Part(
        "streamlit",
        "streamlit.web.server.server_util",
        "is_url_from_allowed_origins",
        "keep the server from contacting other machines",
        mentions=("net_util", "get_external_ip"),
    ),
    _Part(
        "streamlit",
        "streamlit.runtime.backend_operation_handler",
        "DeferredFileHandler.handle",
        "say why a download failed",
        parameters=("self", "request", "session_id"),
        mentions=("_get_media_file_mgr", "execute_deferred"),
    ),
    _Part(
        "streamlit",
        f"{_MESSAGES}.BackMsg_pb2",
        "BackendOperationRequest.DEFERRED_FILE_FIELD_NUMBER",
        "say why a download failed",
    ),
    _Part(
        "streamlit",
        f"{_MESSAGES}.ForwardMsg_pb2",
        "BackendOperationResponse.ERROR_MSG_FIELD_NUMBER",
        "say why a download failed",
    ),
    _Part(
        "streamlit",
        f"{_MESSAGES}.ForwardMsg_pb2",
        "DeferredFileResponsePayload.URL_FIELD_NUMBER",
        "make downloads",
    ),
    _Part("streamlit", _MEDIA, "MediaFileManager.execute_deferred", "make downloads", ("self", "file_id")),
    _Part(
        "streamlit",
        _MEDIA,
        "MediaFileManager.add",
        "serve photos and downloads",
        ("self", "path_or_data", "mimetype", "coordinates", "file_name", "is_for_static_download"),
    ),
    _Part(
        "streamlit",
        _MEDIA,
        "MediaFileManager.clear_session_refs",
        "free downloads",
        ("self", "session_id"),
    ),
    _Part("streamlit", _MEDIA, "MediaFileManager.remove_orphaned_files", "free downloads", ("self",)),
    _Part(
        "streamlit",
        _UPLOADS,
        "MemoryUploadedFileManager.remove_file",
        "free uploads",
        ("self", "session_id", "file_id"),
    ),
    _Part(
        "streamlit",
        _CONTEXT_MODULE,
        "ScriptRunContext",
        "free uploads",
        fields=("session_id", "uploaded_file_mgr"),
    ),
    _Part(
        "streamlit",
        _CONTEXT_MODULE,
        "ScriptRunContext",
        "follow the browser's Back button",
        fields=("is_history_navigation",),
    ),
    _Part("streamlit", "streamlit.runtime.scriptrunner", "get_script_run_ctx", "free uploads"),
    _Part("streamlit", "streamlit.runtime", "get_instance", "close abandoned sessions"),
    _Part(
        "streamlit",
        "streamlit.runtime",
        "Runtime.is_active_session",
        "close abandoned sessions",
        ("self", "session_id"),
    ),
    _Part(
        "streamlit",
        "streamlit.runtime",
        "Runtime.close_session",
        "close abandoned sessions",
        ("self", "session_id"),
    ),
    _Part("streamlit", "streamlit.runtime", "Runtime.media_file_mgr", "serve photos and downloads"),
    _Part(
        "uvicorn",
        "uvicorn.protocols.http.auto",
        "AutoHTTPProtocol.connection_made",
        "send messages at once",
        ("self", "transport"),
    ),
    _Part(
        "streamlit",
        "streamlit.delta_generator_singletons",
        "context_dg_stack.get",
        "show pages to visitors who come at the same time",
    ),
    _Part("streamlit", "streamlit.file_util", "get_static_dir", "allow Streamlit's own script"),
    _Part("streamlit", "streamlit.config", "is_manually_set", "say when a port is taken", ("option_name",)),
)


def check_internals() -> None:
    """Check every private part that this module uses.

    Raises InternalsError, which names the part, the library's version and what the part is needed for.
    """
    for part in _PARTS:
        problem = _problem(part)
        if problem:
            raise InternalsError(
                f"{part.module}.{part.name} {problem} in {part.package} {version(part.package)} but is "
                f"needed to {part.purpose}; install the versions in constraints.txt or update {__name__}."
            )


def _problem(part: _Part) -> str:
    try:
        found = attrgetter(part.name)(import_module(part.module))
    except (ImportError, AttributeError):
        return "is missing"
    if part.parameters:
        names = tuple(inspect.signature(found).parameters)
        if names[: len(part.parameters)] != part.parameters:
            return f"takes other arguments ({', '.join(names)})"
    if not set(part.mentions) <= set(_code_names(found)):
        return "behaves differently"
    missing = set(part.fields) - {field.name for field in fields(found)} if part.fields else set()
    return f"has no {' and no '.join(sorted(missing))}" if missing else ""


def _code_names(function: object) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return code.co_names if code else ()


def keep_uploads_in_memory() -> None:
    """Keep uploads of every size allowed in memory; Starlette writes those above 1 MB to a temporary file.

    `MultiPartParser` reads the limit from its class; there is no setting for it.
    """
    from starlette.formparsers import MultiPartParser

    MultiPartParser.spool_max_size = 2**20 * int(st.get_option("server.maxUploadSize")) + 1


def send_messages_at_once() -> None:
    """Turn off Nagle's algorithm for the connections of the server (TCP_NODELAY).

    asyncio does so for sockets that name TCP as their protocol, and Streamlit's does not. A run of a page is
    a series of small messages; each one that followed another waited up to 40 ms for an acknowledgement.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    connected = AutoHTTPProtocol.connection_made

    def connection_made(self: asyncio.Protocol, transport: asyncio.BaseTransport) -> None:
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connected(self, transport)

    AutoHTTPProtocol.connection_made = connection_made  # type: ignore[method-assign, assignment]


def create_container_stack() -> None:
    """Create the variable that holds each session's open `with` blocks before the first session needs it.

    Streamlit creates it at first use and without a lock, so two pages that open at the same moment on a fresh
    server can each create one. A page that enters a block on the first variable and leaves it on the second
    has an empty stack: what it shows next goes to the wrong place, and its next fragment raises IndexError.
    """
    from streamlit.delta_generator_singletons import context_dg_stack

    context_dg_stack.get()


def disable_public_ip_lookup() -> None:
    """Keep Streamlit from asking a service on the internet for this machine's public address.

    It would do so whenever a page of another site tries to open a session, and let all sessions wait for the
    answer, up to two seconds. There is no setting for it.
    """
    from streamlit import net_util

    net_util.get_external_ip = lambda: None


def hide_missing_context_warnings() -> None:
    """Hide the warning that Streamlit logs for each download that is made in a thread without a session."""
    logging.getLogger(_CONTEXT_MODULE).setLevel(logging.ERROR)


def show_reasons_of_failed_downloads() -> None:
    """Show a person why a file could not be created, where Streamlit says only that it failed."""
    from streamlit.runtime.backend_operation_handler import DeferredFileHandler

    DeferredFileHandler.handle = _make_download  # type: ignore[method-assign]


async def _make_download(
    self: DeferredFileHandler, request: BackendOperationRequest, session_id: str
) -> BackendOperationResponse:
    from streamlit.proto.ForwardMsg_pb2 import BackendOperationResponse, DeferredFileResponsePayload

    try:
        make = self._get_media_file_mgr().execute_deferred
        url = await asyncio.to_thread(make, request.deferred_file.file_id)
    except Exception as error:  # whatever it is, the browser waits for an answer
        return BackendOperationResponse(request_id=request.request_id, error_msg=_reason(error))
    return BackendOperationResponse(
        request_id=request.request_id, deferred_file=DeferredFileResponsePayload(url=url)
    )


def _reason(error: BaseException) -> str:
    """Return one sentence for people; log what they cannot act on."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    for cause in causes:
        if isinstance(cause, FeatherFaceError):
            return str(cause)
        if isinstance(cause, MemoryError):
            return (
                "There is not enough memory to create this file; try again in a minute or use a smaller "
                "photo."
            )
    _LOG.error("A download could not be created.", exc_info=error)
    return "The file could not be created; see the server log."


def inline_script_hashes() -> tuple[str, ...]:
    """Return the sources that allow the inline scripts of Streamlit's page in a Content-Security-Policy."""
    from streamlit import file_util

    page = Path(file_util.get_static_dir(), "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    return tuple(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)


def is_port_chosen() -> bool:
    """Say whether somebody set the port. If nobody did, Streamlit takes the first free one from 8501 on."""
    from streamlit import config

    return bool(config.is_manually_set("server.port"))


def current_session_id() -> str:
    """Return the identifier of the session whose page runs in this thread."""
    return _context().session_id


def is_history_navigation() -> bool:
    """Return whether this run of the page follows the browser's Back or Forward button."""
    return _context().is_history_navigation


def discard_uploads(files: Iterable[UploadedFile]) -> None:
    """Drop Streamlit's copies of uploaded files, which it would keep for as long as the session lasts."""
    context = _context()
    manager = cast("MemoryUploadedFileManager", context.uploaded_file_mgr)
    for file in files:
        manager.remove_file(context.session_id, file.file_id)


def _context() -> ScriptRunContext:
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context = get_script_run_ctx()
    if context is None:
        raise InternalsError("This thread runs no page of a session: call this from a page.")
    return context


def _runtime() -> Runtime:
    from streamlit import runtime

    return runtime.get_instance()


def is_session_connected(session_id: str) -> bool:
    """Say whether the session's browser is connected now."""
    return _runtime().is_active_session(session_id)


def close_session(session_id: str) -> None:
    """End a session and release what Streamlit keeps for it."""
    _runtime().close_session(session_id)


def add_media(data: bytes, mime: str, coordinates: str, *, download_name: str | None = None) -> str:
    """Offer a file to browsers and return its URL, a path on this server.

    It belongs to the session whose page runs in this thread, or to no session in other threads, and replaces
    that session's earlier file at the same `coordinates`. With `download_name` browsers save it under that
    name.
    """
    manager = _runtime().media_file_mgr
    return manager.add(
        data, mime, coordinates, download_name, is_for_static_download=download_name is not None
    )


def release_unowned_media() -> None:
    """Give up the files that were added by threads without a session; `remove_orphaned_media` frees them."""
    _runtime().media_file_mgr.clear_session_refs()


def remove_orphaned_media() -> None:
    """Free the files that no session uses any more."""
    for _ in range(2):  # the first call only marks downloads
        _runtime().media_file_mgr.remove_orphaned_files()
