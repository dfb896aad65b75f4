"""When the server process collects garbage."""

from __future__ import annotations

import asyncio
import gc
import weakref

import streamlit as st

from featherface.dashboard.server.memory_pools import collect_garbage_regularly


class Cyclic:
    """An object that only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


def test_old_garbage_is_freed_though_no_script_run_collects():
    assert not st.get_option("runner.postScriptGC")
    old = Cyclic()
    gc.collect()  # from now on only a full collection looks at it
    freed = weakref.ref(old)
    del old

    async def wait_until_freed() -> None:
        collecting = asyncio.create_task(collect_garbage_regularly(0))
        while freed() is not None:
            _young = [[] for _ in range(1000)]
            await asyncio.sleep(0)
        collecting.cancel()

    asyncio.run(asyncio.wait_for(wait_until_freed(), 30))
