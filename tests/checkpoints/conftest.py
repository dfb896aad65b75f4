"""Fixtures of the checkpoint tests."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from featherface.models import MODELS


@pytest.fixture(scope="session")
def v1_state() -> dict[str, Tensor]:
    """The state dict of an untrained V1; tests change copies of it."""
    torch.manual_seed(0)
    return MODELS["v1"].builder().state_dict()
