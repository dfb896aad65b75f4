"""The process's memory: what Python's collector looks at, and what goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import platform

import streamlit as st

__all__ = ["settle_memory", "tidy", "tidy_once"]

_GLIBC = platform.libc_ver()[0] == "glibc"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # in malloc.h
_ARENAS = 2
_LARGE = 8 * 2**20  # bytes; a network's layers at 640 pixels stay below, and keep their speed
_KEPT = 64 * 2**20  # bytes, free at the end of a pool


@st.cache_resource(show_spinner=False)
def settle_memory() -> None:
    """Have all threads allocate from a few pools, and photos outside of them.

    Streamlit runs each session in threads of its own, for which glibc opens up to eight pools a core; each
    keeps pieces of photos that no other can use. After 24 visitors with 12-megapixel photos: 957 instead of
    1,080 MB. Left alone, glibc also raises the size from which memory goes straight back to the system to
    32 MiB, and holes remain where photos were: 588 MB after nine minutes of mixed use, 366 with a fixed size.
    """
    if _GLIBC:
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, _ARENAS)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)


@st.cache_resource(show_spinner=False)
def tidy_once(page: str) -> None:
    """Leave what the first run of `page` has loaded, most of which stays, out of later collections.

    Streamlit collects after every run of a script. With the 300,000 objects that PyTorch, pandas and Plotly
    keep for good, that takes 170 ms in which no session gets an answer.
    """
    _leave_out()


def tidy() -> None:
    """Collect all garbage, also among what was left out before, and give free memory back.

    Sessions open now are left out of later collections and must be tidied up after when they have ended.
    """
    gc.unfreeze()
    _leave_out()
    if _GLIBC:
        ctypes.CDLL(None).malloc_trim(0)


def _leave_out() -> None:
    gc.collect()
    gc.freeze()
