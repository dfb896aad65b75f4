"""Memory of the server process: allocation pools, garbage collection, and returning free memory."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

__all__ = [
    "collect_garbage_regularly",
    "collection_paused",
    "exclude_loaded_objects_from_collection",
    "limit_memory_pools",
    "release_memory",
]

_GLIBC = platform.libc_ver()[0] == "glibc"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # in malloc.h
_POOLS = 2
_DIRECT_SIZE = 8 * 2**20  # bytes; a network's layers at 640 x 640 stay below, so they are not slowed down
_TRIM_SIZE = 64 * 2**20  # bytes; free memory at the end of a pool beyond this is returned


def limit_memory_pools() -> None:
    """Make all threads allocate from two pools, and large arrays directly from the system.

    Streamlit runs each session in its own thread. By default glibc opens up to eight pools per core, and each
    keeps free blocks that the others cannot use: 1,080 MB after 24 visitors with 12-megapixel photos, 957 MB
    with two pools. By default glibc also raises the size from which a block is returned directly to the
    system up to 32 MiB, and gaps remain where photos were: 588 MB after nine minutes of mixed use, 366 MB
    with a fixed size. Does nothing where the C library is not glibc.
    """
    if _GLIBC:
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, _POOLS)
        library.mallopt(_M_MMAP_THRESHOLD, _DIRECT_SIZE)
        library.mallopt(_M_TRIM_THRESHOLD, _TRIM_SIZE)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Suspend garbage collection while modules load, and exclude what was loaded from later collections.

    Importing PyTorch, pandas and Plotly makes 300,000 objects that stay. Python looks through them again and
    again as they become more, which takes half a second of the server's start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


async def collect_garbage_regularly(seconds: float = 10) -> None:
    """Collect all garbage every so many seconds, unless hardly anything was allocated since; never return.

    This takes the place of Streamlit's collection after every run of a script (`runner.postScriptGC`), which
    looks through the objects of all sessions while none of them gets an answer. With twenty visitors, that
    took 28% of the interpreter's time and made slider moves 1.6 times as long.
    """
    while True:
        await asyncio.sleep(seconds)
        if any(gc.get_count()[1:]):  # collections of young objects since then
            await asyncio.to_thread(gc.collect)


@st.cache_resource(show_spinner=False)
def exclude_loaded_objects_from_collection(page: str) -> None:
    """Exclude what the first run of `page` loaded from later garbage collections; once per page and process.

    With the objects that the libraries keep, a full collection takes 170 ms in which no session gets an
    answer. Nothing is collected first, as the visitor is waiting: garbage among the excluded objects stays
    until `release_memory`.
    """
    gc.freeze()


def release_memory() -> None:
    """Collect all garbage, including among excluded objects, and return free memory to the system.

    Objects of sessions that are open now are excluded from later collections, so this must be called again
    after they have ended.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    if _GLIBC:
        ctypes.CDLL(None).malloc_trim(0)
