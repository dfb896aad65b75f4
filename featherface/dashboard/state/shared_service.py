"""What all sessions of the dashboard share: the model service, the benchmark queue, the machine."""

from __future__ import annotations

import atexit

import streamlit as st

from featherface.config import weights_folder
from featherface.profiling.machine import Machine, this_machine
from featherface.serving.benchmark_queue import BenchmarkQueue
from featherface.serving.deployment_job import DeploymentStore
from featherface.serving.model_service import ModelService
from featherface.study.results import load_networks

__all__ = ["benchmark_queue", "deployment_store", "machine", "model_service"]


@st.cache_resource(show_spinner=False)
def model_service() -> ModelService:
    """Return the model service of this process."""
    return ModelService()


@st.cache_resource(show_spinner=False)
def benchmark_queue() -> BenchmarkQueue:
    """Return the benchmark queue of this process."""
    queue = BenchmarkQueue(lambda: load_networks(weights_folder())[0])
    atexit.register(queue.close)
    return queue


@st.cache_resource(show_spinner=False)
def deployment_store() -> DeploymentStore:
    """Return the exported files and measurements of this process."""
    return DeploymentStore()


@st.cache_resource(show_spinner=False)
def machine() -> Machine:
    """Return the description of this machine."""
    return this_machine()
