"""What is remembered of a photo belongs to the photo, its name to the session that uploaded it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
import torch
from PIL import Image

from featherface.checkpoints import save_weights
from featherface.dashboard.state.photos import PhotoFile
from featherface.dashboard.state.sample_comparison import annotated_photo
from featherface.models import MODELS


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoFile:
    """A photo, and a folder of weights for the smaller model."""
    entry = MODELS["v2"]
    torch.manual_seed(0)
    save_weights(entry.builder(), entry, tmp_path / entry.weights, {"recipe": "seeded, for a test"})
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(tmp_path))
    st.cache_resource.clear()
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(data, "PNG")
    return PhotoFile("checksum", "holiday.png", data.getvalue(), "your own photo")


def test_the_same_file_under_another_name_keeps_its_own_name(photo):
    first, second = annotated_photo(photo), annotated_photo(replace(photo, name="secret name.png"))
    assert (first.name, second.name) == ("holiday.png", "secret name.png")
    assert first.faces == second.faces
