"""Settings of the whole server process, made once when it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from featherface.dashboard.server.memory_pools import limit_memory_pools
from featherface.dashboard.server.streamlit_internals import disable_public_ip_lookup, keep_uploads_in_memory
from featherface.dashboard.server.threads import shorten_thread_switch_interval

__all__ = ["lifespan"]


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Set up the process before the first request is served."""
    limit_memory_pools()
    shorten_thread_switch_interval()
    keep_uploads_in_memory()
    disable_public_ip_lookup()
    yield
