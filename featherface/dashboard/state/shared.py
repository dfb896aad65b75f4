"""What all sessions of the dashboard share."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from featherface.config import WEIGHTS_DIR
from featherface.profiling.machine import Machine, this_machine
from featherface.serving.model_service import ModelService

__all__ = ["machine", "model_service", "weights_folder"]


def weights_folder() -> Path:
    """Return the folder of weights files: the environment's FEATHERFACE_WEIGHTS, else the project's own."""
    return Path(os.environ.get("FEATHERFACE_WEIGHTS") or WEIGHTS_DIR)


@st.cache_resource(show_spinner=False)
def model_service() -> ModelService:
    """Return the one model service of this process."""
    return ModelService(weights_folder())


@st.cache_resource(show_spinner=False)
def machine() -> Machine:
    """Return what machine this is."""
    return this_machine()
