"""Fixtures that several test folders share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of several workers would wait for each other
gc.disable()  # until all test modules are imported
settings.register_profile("tests", deadline=None, max_examples=50)  # a busy machine must not fail a test
settings.load_profile("tests")

# Browser tests that form groups of their own: the only ones of the server with the shipped weights, and those
# that take as long as all the others.
_BROWSER_GROUPS = "tests/browser/test_pages.py", "tests/browser/test_detection_in_browser.py"
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests of the large reference outputs where there are none; their small counterparts run.

    The groups that take longest come first, so that no worker is left with one at the end.
    """
    if not SHARED.is_dir():
        large = [item for item in items if "shared" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if item not in large]
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(worker_group(item.nodeid), []).append(item)
    items[:] = [item for group in sorted(groups.values(), key=_turn) for item in group]


def worker_group(nodeid: str) -> str:
    """Return the name of the group that one worker of pytest-xdist runs, so that it makes fixtures once.

    It is the test's module; most browser tests form one group.
    """
    module = nodeid.partition("::")[0]
    folder = module.rpartition("/")[0]
    return folder if folder == "tests/browser" and module not in _BROWSER_GROUPS else module


def _turn(group: list[pytest.Item]) -> int:
    """Return 0 for browser tests, 1 for a group with slow tests, and 2 for others."""
    for turn, marker in enumerate(("browser", "slow")):
        if any(item.get_closest_marker(marker) for item in group):
            return turn
    return 2


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give each worker whole groups, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return worker_group(nodeid)

    config.option.loadscopereorder = False
    return GroupScheduling(config, log)


def pytest_collection_finish() -> None:
    """Exclude the imported libraries from garbage collection, which Streamlit starts after every page."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _own_main_module() -> Iterator[None]:
    """Restore `__main__` after a page test: Streamlit puts the page there, and new processes would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session", autouse=True)
def _one_search_for_components() -> Iterator[None]:
    """Search the installed packages for components once: page tests do so before every run of a page."""
    if "streamlit.testing.v1" not in sys.modules:
        yield
        return
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        search = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", search)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of large reference outputs beside the checkout, which `.ci/run` requires."""
    return SHARED
