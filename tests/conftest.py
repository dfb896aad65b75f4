"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference outputs and pictures beside the checkout; a user's machine has none."""
    if not SHARED.is_dir() and not os.environ.get("CI"):
        pytest.skip("needs the folder ../shared, which stands beside the checkout in development and CI only")
    return SHARED
