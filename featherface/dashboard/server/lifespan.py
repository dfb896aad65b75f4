"""Settings of the whole server process, made once when it starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from featherface.dashboard.server.memory_pools import collect_garbage_regularly, limit_memory_pools
from featherface.dashboard.server.preloading import start_preloading
from featherface.dashboard.server.streamlit_internals import (
    check_internals,
    create_container_stack,
    disable_public_ip_lookup,
    hide_missing_context_warnings,
    is_port_chosen,
    keep_uploads_in_memory,
    send_messages_at_once,
    show_reasons_of_failed_downloads,
)
from featherface.dashboard.server.threads import shorten_thread_switch_interval
from featherface.engines.choice import default_engine

__all__ = ["lifespan"]

_LOG = logging.getLogger(__name__)
_DEFAULT_PORT = 8501  # Streamlit's


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Set up the process before the first request is served. Raises InternalsError and EngineError."""
    check_internals()
    default_engine()  # a setting that names an engine that cannot run ends the start with its sentence
    limit_memory_pools()
    shorten_thread_switch_interval()
    keep_uploads_in_memory()
    send_messages_at_once()
    create_container_stack()
    disable_public_ip_lookup()
    hide_missing_context_warnings()
    show_reasons_of_failed_downloads()
    _log_change_of_port()
    collecting = asyncio.create_task(collect_garbage_regularly())
    preloading = start_preloading()
    yield
    collecting.cancel()
    await asyncio.to_thread(preloading.join)  # a process must not end while a thread runs PyTorch


def _log_change_of_port() -> None:
    port = st.get_option("server.port")
    if port != _DEFAULT_PORT and not is_port_chosen():
        _LOG.warning("Port %d is in use; the dashboard runs on port %d instead.", _DEFAULT_PORT, port)
