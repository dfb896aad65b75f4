"""The Deploy page: the measurement of every engine and precision, and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from featherface.checkpoints import WeightsFile
from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.queue_panel import own_job, show_queue
from featherface.dashboard.components.widgets import badge_line, plain, required_choice, whole_number
from featherface.dashboard.state.photos import SAMPLES
from featherface.dashboard.state.shared_service import benchmark_queue, deployment_store, machine
from featherface.evaluation.engine_accuracy import EngineAccuracy
from featherface.models import MODELS
from featherface.profiling.latency import LatencySettings
from featherface.reporting.deployment_table import MEAN, DeploymentRow, deployment_table
from featherface.reporting.wording import images_text, machine_text, when_text
from featherface.serving.benchmark_queue import BenchmarkBusyError
from featherface.serving.deployment_job import DeploymentJob, DeploymentRequest
from featherface.study.measurements import SELECTION_NOTE
from featherface.study.provenance import Badge

__all__ = ["choose_rows", "show_measurement", "show_table"]

_ALL = "All models"
_OWN = "deployment_job"  # in the session's state
_WARMUP = 3
_FORMATS = {
    "File size (MB)": "%.2f",
    "Largest box drift (px)": "%.2f",
    "Faces gained": "%d",
    "Faces lost": "%d",
}
_WIDTHS = {"Model": 70, "Engine": 200, "Precision": 90, "Latency and memory": 150}  # pixels
_HELP = {
    "Latency and memory": "Whether load time, latency, memory, faces and box drift have been measured on "
    "this machine. The average precision was measured before and comes with the weights.",
    "Faces gained": "Faces on all sample photos that PyTorch in float32 does not find, at confidence 0.5.",
    "Faces lost": "Faces on all sample photos that only PyTorch in float32 finds, at confidence 0.5.",
    "Largest box drift (px)": "The maximum, not the mean: the largest shift of any box coordinate on the "
    "sample photos against PyTorch in float32, in pixels of the network's input.",
}


def choose_rows(rows: Sequence[DeploymentRow]) -> list[DeploymentRow]:
    """Let the visitor choose models and hide refused rows; return the rows chosen."""
    names = {key: MODELS[key].name for key in dict.fromkeys(row.model for row in rows)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = required_choice("Models", [_ALL, *names.values()], _ALL, "deploy_models")
        hide = st.toggle("Hide refused rows", key="hide_refused", bind="query-params")
    chosen = [row for row in rows if name in (_ALL, names[row.model])]
    return [row for row in chosen if not (hide and row.measured and row.measured.refused)]


def show_measurement(rows: Sequence[DeploymentRow], weights: Mapping[str, WeightsFile]) -> None:
    """Show the settings of the next measurement of `rows`, the button that starts it, and the queue."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        threads = required_choice("Threads", range(1, machine().cores + 1), 1, "deploy_threads")
        runs = whole_number(
            "Rounds", 5, 200, 20, 5, "deploy_runs", width=140, help="Per row, after three warm-up rounds."
        )
        names = {file.key: file.name for file in SAMPLES}
        photo = required_choice(
            "Photo", list(names), SAMPLES[1].key, "deploy_photo", format_func=names.__getitem__, wrap=True
        )
    pressed = st.button(
        "Measure on this machine",
        icon=":material/timer:",
        disabled=own_job(_OWN) is not None or not rows,
        help="Takes a few seconds per row, two minutes or more in all. Rows appear as they are measured.",
    )
    if pressed:
        models = dict.fromkeys(row.model for row in rows)
        request = DeploymentRequest(
            weights={key: weights[key] for key in models},
            rows=tuple((row.model, row.variant) for row in rows),
            settings=LatencySettings(threads=threads, runs=runs, warmup=_WARMUP),
            photo=_path(photo),
        )
        try:
            job = DeploymentJob(request, deployment_store())
            st.session_state[_OWN] = benchmark_queue().add(job)
        except BenchmarkBusyError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()
    show_queue(_OWN, deployment_store().newest, "Rows measured so far are kept.")


def show_table(rows: Sequence[DeploymentRow], accuracies: Mapping[str, EngineAccuracy]) -> None:
    """Show the table of `rows` with the origin of its numbers."""
    subsets = _subsets(accuracies)
    subset = MEAN
    if subsets:
        subset = required_choice("Average precision on", [*subsets, MEAN], MEAN, "deploy_subset")
    table = deployment_table(rows, subset)
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        placeholder="–",
        column_config={
            **{
                name: st.column_config.NumberColumn(
                    format=_FORMATS.get(name, "%.3f" if "AP" in name else "%.1f"), help=_HELP.get(name)
                )
                for name in map(str, table.select_dtypes("number"))
            },
            **{
                name: st.column_config.TextColumn(width=width, help=_HELP.get(name))
                for name, width in _WIDTHS.items()
            },
        },
        alt="File size, load time, latency, memory, average precision and parity per model, engine and "
        "precision",
    )
    csv_button("Table (CSV)", lambda: table, "deployment")
    st.caption(
        "An int8 file can be larger than one in float16 or float32: the first stage, the gates and the "
        "offsets of deformable convolutions stay in float32, and with the operator DeformConv the deformable "
        "convolutions as well. In OpenVINO's format, the description of the quantisation steps also adds "
        "more bytes than the smaller weights save."
    )
    _show_origins(rows, accuracies)
    _show_refusals(table)


def _show_origins(rows: Sequence[DeploymentRow], accuracies: Mapping[str, EngineAccuracy]) -> None:
    timed = [row.measured.latency for row in rows if row.measured and row.measured.latency]
    if timed:
        newest = max(timed, key=lambda result: result.when)
        badge_line(
            Badge.MEASURED,
            f"{plain(when_text(newest.when))}, {plain(machine_text(newest.machine))}. End to end: from the "
            "photo file to the list of faces, each row in a process of its own. Load: importing the engine "
            "and loading the file. Memory: the peak of that process. Faces and boxes: on the "
            "sample photos, compared with PyTorch in float32, at confidence 0.5.",
        )
    for key, found in accuracies.items():
        comparison = found.rows[0].comparison
        badge_line(
            Badge.MEASURED,
            plain(
                f"Average precision of {MODELS[key].name}: {found.image_set}, original size, "
                f"{comparison.protocol} protocol, {images_text(comparison.images)}, {when_text(found.date)}. "
                "In brackets: 95% paired bootstrap interval of the difference to PyTorch in float32."
                + (f" {SELECTION_NOTE}" if found.used_for_selection else "")
            ),
        )
    for key in dict.fromkeys(row.model for row in rows):
        if key not in accuracies:
            st.caption(
                f"The average precision of {MODELS[key].name} by engine has not been measured with the "
                f"current weights; `featherface engines --model {key}` measures it."
            )


def _show_refusals(table: pd.DataFrame) -> None:
    refused = table[table["Latency and memory"].str.startswith("Refused")] if len(table) else table
    if len(refused):
        with st.expander(f"Refused: {len(refused)} rows", icon=":material/block:"):
            names = refused[["Model", "Engine", "Precision"]].agg(", ".join, axis=1)
            lines = zip(names, refused["Latency and memory"], strict=True)
            st.markdown("\n".join(f"- {plain(f'{name}: {reason}')}" for name, reason in lines))


def _subsets(accuracies: Mapping[str, EngineAccuracy]) -> list[str]:
    """Return the subsets that every model was scored on."""
    found = [row.comparison.subsets for accuracy in accuracies.values() for row in accuracy.rows[:1]]
    return [name for name in (found[0] if found else ()) if all(name in one for one in found)]


def _path(key: str) -> Path:
    source = next(file.source for file in SAMPLES if file.key == key)
    assert isinstance(source, Path)  # the samples are files
    return source
