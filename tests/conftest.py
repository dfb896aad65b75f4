"""Fixtures that several test folders share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of several workers would wait for each other
gc.disable()  # until all test modules are imported
settings.register_profile("tests", deadline=None, max_examples=50)  # a busy machine must not fail a test
settings.load_profile("tests")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests of the large reference outputs where there are none; their small counterparts run."""
    if not SHARED.is_dir():
        large = [item for item in items if "shared" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if item not in large]
    items[:] = _spread_browser_tests(items)


def _spread_browser_tests(items: list[pytest.Item]) -> list[pytest.Item]:
    """Put the modules of browser tests, which mostly wait, at equal distances among the others.

    Each worker of pytest-xdist starts with a contiguous part of the tests.
    """
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    waiting = [module for module in modules.values() if module[0].get_closest_marker("browser")]
    order = [module for module in modules.values() if module not in waiting]
    distance = len(order) / max(len(waiting), 1)
    for number, module in enumerate(waiting):
        order.insert(number + round(number * distance), module)
    return [item for module in order for item in module]


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


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of large reference outputs beside the checkout, which `.ci/run` requires."""
    return SHARED
