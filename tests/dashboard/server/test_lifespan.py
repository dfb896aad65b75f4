"""What the server's start leaves to visitors who come at the same moment."""

from __future__ import annotations

import subprocess
import sys

# The order of steps in which a page lost its stack: another session is held inside Streamlit's creation of
# the variable until this one has entered a block.
_PROGRAM = """
import asyncio
from threading import Event, Thread, current_thread

from streamlit import delta_generator_singletons as singletons

from featherface.dashboard.server import lifespan as server

instance, stack = singletons.get_dg_singleton_instance, singletons.context_dg_stack
arrived, entered = Event(), Event()


def instance_seen_late():
    if current_thread() is other:
        arrived.set()
        entered.wait()
    return instance()


def other_session():
    stack.get()
    arrived.set()


def preload_nothing():
    thread = Thread()
    thread.start()
    return thread


async def start():
    async with server.lifespan(None):
        pass


server.start_preloading = preload_nothing
asyncio.run(start())
other = Thread(target=other_session)
singletons.get_dg_singleton_instance = instance_seen_late
other.start()
arrived.wait()
with instance().main_dg:
    entered.set()
    other.join()
print(stack.get() == (instance().main_dg,))
"""


def test_pages_that_open_at_once_on_a_fresh_server_keep_their_containers():
    run = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n", run.stderr
