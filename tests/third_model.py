"""A third model for tests: what registers one entry must be enough for every table, chart and page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from featherface.checkpoints import save_weights
from featherface.models import MODELS, ModelEntry
from featherface.models.v2 import ChannelGate, FeatherFaceV2, V2Config

# FeatherFace V2 at half its width; without names for its modules, which stand under their paths then
THIRD = ModelEntry(
    key="tiny",
    short_name="Tiny",
    name="FeatherFace Tiny",
    builder=partial(FeatherFaceV2, V2Config(channels=16)),
    weights="featherface_tiny.safetensors",
    colour="#16a34a",
    whole_image=(ChannelGate,),
)


def register_third_model(monkeypatch: pytest.MonkeyPatch, weights_folder: Path | None = None) -> ModelEntry:
    """Register `THIRD` until the test ends, with seeded weights where a folder is given."""
    monkeypatch.setitem(MODELS, THIRD.key, THIRD)
    if weights_folder is not None:
        torch.manual_seed(0)
        save_weights(THIRD.builder(), THIRD, weights_folder / THIRD.weights, {"recipe": "seeded"})
    return THIRD
