"""What is known of every way to run the models: measured in this process, and shipped with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from featherface.checkpoints import WeightsFile
from featherface.config import weights_folder
from featherface.dashboard.state.shared_service import deployment_store, model_service
from featherface.evaluation.engine_accuracy import EngineAccuracy, variants_of
from featherface.export.variants import Variant
from featherface.models import MODELS
from featherface.reporting.deployment_table import DeploymentRow
from featherface.study.results import shipped_engines

__all__ = ["accuracies_by_engine", "deployment_rows", "usable_weights", "variants"]


def usable_weights() -> dict[str, WeightsFile]:
    """Return the shipped weights of each model that has usable ones."""
    return {status.key: status.weights for status in model_service().models() if status.weights}


def accuracies_by_engine(weights: Mapping[str, WeightsFile]) -> dict[str, EngineAccuracy]:
    """Return the shipped average precision by engine of each model, where it is of exactly these weights."""
    folder = weights_folder()
    paths = sorted((folder / "evaluation" / "engines").glob("*.json"))
    files = tuple((path.name, path.stat().st_mtime_ns) for path in paths)
    return _accuracies(folder, files, {key: file.sha256 for key, file in weights.items()})


def deployment_rows(
    weights: Mapping[str, WeightsFile], accuracies: Mapping[str, EngineAccuracy]
) -> list[DeploymentRow]:
    """Return one row per model, engine and precision, with what has been measured."""
    rows = []
    for model, file in weights.items():
        by_key = {row.variant: row for row in accuracies[model].rows} if model in accuracies else {}
        for variant in variants(model):
            measured = deployment_store().result(file.sha256, variant)
            rows.append(DeploymentRow(model, variant, measured, by_key.get(variant.key)))
    return rows


@st.cache_resource(max_entries=16, show_spinner=False)
def variants(model: str) -> tuple[Variant, ...]:
    """Return every way to run a model, a key in MODELS."""
    return variants_of(MODELS[model].builder())


@st.cache_resource(max_entries=4, show_spinner=False)
def _accuracies(
    folder: Path, files: tuple[tuple[str, int], ...], sha256: Mapping[str, str]
) -> dict[str, EngineAccuracy]:
    return shipped_engines(folder, sha256)
