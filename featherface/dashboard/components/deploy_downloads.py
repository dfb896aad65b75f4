"""The Deploy page's downloads: each export as a zip with the model, a README and a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from featherface.checkpoints import WeightsFile
from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.components.widgets import required_choice
from featherface.dashboard.state.deployments import variants
from featherface.dashboard.state.shared_service import deployment_store
from featherface.engines.choice import ENGINES
from featherface.export.variants import EXPORT_PRECISIONS, FORMATS, ExportFormat, Variant
from featherface.models import MODELS

__all__ = ["show_downloads"]


def show_downloads(weights: Mapping[str, WeightsFile]) -> None:
    """Let the visitor choose an export, and offer it as a zip with the command that makes the same."""
    contents = st.empty()
    engines = {export_format: key for key, export_format in FORMATS.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = required_choice(
            "Model", list(weights), next(iter(weights)), "export_model", format_func=_model_name
        )
        export_format = required_choice(
            "Format",
            list(ExportFormat),
            ExportFormat.ONNX,
            "export_format",
            format_func=lambda one: {"onnx": "ONNX", "openvino": "OpenVINO IR"}[one],
        )
        precision = required_choice(
            "Stored as", list(EXPORT_PRECISIONS), EXPORT_PRECISIONS[0], "export_precision", format_func=str
        )
        download_button(
            "Download zip",
            lambda: deployment_store().archive(weights[model], export_format, precision),
            f"featherface_{model}_{export_format}_{precision}.zip",
            "application/zip",
            key="export_zip",
            icon=":material/download:",
        )
    variant = Variant(engines[export_format], precision, export_format)
    contents.markdown(_contents(model, variant))
    command = variant.command(model)
    st.code(command, language=None, wrap_lines=True)
    st.caption(
        f"The file is made when you download it, which takes up to ten seconds. {_needs(export_format)}"
        "The value ranges of int8 come from ten of the sample photos; `--calibration` takes your own."
    )


def _contents(model: str, variant: Variant) -> str:
    """Say what the zip holds: of a network with deformable convolutions, ONNX zips hold two models."""
    second = replace(variant, deformconv=True)
    held = "the model"
    if second in variants(model):
        first, other = (one.file_name(model, MODELS[model].weights) for one in (variant, second))
        held = (
            f"the model twice (`{first}` with the operator GridSample, for every engine, and `{other}` with "
            "DeformConv, faster where the engine has it)"
        )
    return (
        f"The zip holds {held}, a README on inputs, outputs and post-processing, and a script that detects "
        "faces with that engine, NumPy and Pillow alone."
    )


def _model_name(key: str) -> str:
    return MODELS[key].name


def _needs(export_format: ExportFormat) -> str:
    key = next(key for key, found in FORMATS.items() if found is export_format)
    if ENGINES[key].installed:
        return ""
    return f"It needs {ENGINES[key].name} on the server, which is not installed. "
