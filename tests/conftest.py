"""Fixtures that several test folders share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine must not fail a test
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of large reference outputs beside the checkout, which `.ci/run` requires."""
    if not SHARED.is_dir():
        pytest.skip("needs the large reference outputs in ../shared")
    return SHARED
