"""How the threads of one process take turns at Python."""

from __future__ import annotations

import sys

__all__ = ["settle_turns"]

_SECONDS = 0.0005  # a slider move takes 20 ms of Python


def settle_turns() -> None:
    """Have a thread that wants to run Python wait for each other thread a tenth as long as by default.

    The thread that talks to all browsers gives its turn away with every message that it sends, and then waits
    for those of the sessions that draw: with twenty visitors, up to a second for one answer of a page.
    """
    sys.setswitchinterval(_SECONDS)
