"""Loading what the first page needs while the server waits for its first visitor."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

from featherface.dashboard.server.memory_pools import collection_paused
from featherface.errors import FeatherFaceError

__all__ = ["start_preloading"]


def start_preloading() -> Thread:
    """Import PyTorch and the pages' modules and run the networks on the first page's photo, in a new thread.

    That takes a few seconds of the time between the start of the server and the first visitor. A visitor who
    comes earlier shares the work: nothing is done twice.
    """
    thread = Thread(target=_preload, name="preloading", daemon=True)
    thread.start()
    return thread


def _preload() -> None:
    with collection_paused():
        from featherface.dashboard.state.photos import SAMPLES
        from featherface.dashboard.state.sample_comparison import annotated_photo
        from featherface.dashboard.state.study_measurements import measurements

        measurements()
        with suppress(FeatherFaceError):  # of weights, photos or memory: the page shows the message
            annotated_photo(SAMPLES[0])
