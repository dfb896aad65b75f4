"""The study's measurements as the pages show them: counted once, combined with the newest benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st

from featherface.config import weights_folder
from featherface.dashboard.state.shared_service import benchmark_queue, model_service
from featherface.evaluation.curves import SavedCurves
from featherface.evaluation.hard_case_results import SavedHardCases
from featherface.models import MODELS
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.robustness.robustness_results import (
    SavedSlices,
    SavedStress,
    shipped_slices,
    shipped_stress,
)
from featherface.serving.benchmark_queue import BenchmarkRequest
from featherface.study.measurements import Measurements
from featherface.study.results import (
    TrainingLog,
    accuracies,
    load_networks,
    paired_comparison,
    shipped_comparisons,
    shipped_curves,
    shipped_engines,
    shipped_hard_cases,
    shipped_pruned_training,
    shipped_pruning,
    training_logs,
)
from featherface.study.story import Evidence, evidence
from featherface.study.summary import in_every_engine, measure, rounds

__all__ = [
    "FULL_BENCHMARK",
    "QUICK_BENCHMARK",
    "curves_of_shipped_weights",
    "hard_cases_of_shipped_weights",
    "logs_of_training",
    "measurements",
    "shipped_evidence",
    "slices_of_shipped_weights",
    "stress_of_shipped_weights",
]

_THREADS = 1  # as the dashboard runs the networks
QUICK_BENCHMARK = BenchmarkRequest(in_every_engine(rounds(_THREADS, quick=True)))
FULL_BENCHMARK = BenchmarkRequest(in_every_engine(rounds(_THREADS, quick=False)))


def measurements() -> Measurements:
    """Return all measurements of the models; the first call in a process takes longest."""
    counted = _counted(weights_folder(), tuple(MODELS), _checksums_in_use(), _files("evaluation/**/*.json"))
    latency, *others = (
        _best_timing(points) for points in zip(FULL_BENCHMARK.points, QUICK_BENCHMARK.points, strict=True)
    )
    return replace(counted, latency=latency, latencies=tuple(found for found in others if found))


def _checksums_in_use() -> dict[str, str]:
    """Return the checksum of each model's shipped weights; models without usable ones are absent."""
    return {status.key: status.weights.sha256 for status in model_service().models() if status.weights}


def curves_of_shipped_weights() -> list[SavedCurves]:
    """Return the shipped evaluations that were made with exactly the shipped weights."""
    checksums = _checksums_in_use()
    found = _shipped_curves(weights_folder(), _files("evaluation/**/*.json"))
    return [saved for saved in found if checksums.get(saved.model) == saved.weights_sha256]


def hard_cases_of_shipped_weights() -> list[SavedHardCases]:
    """Return the results on close-ups and images without faces that were made with the shipped weights."""
    return _hard_cases(weights_folder(), _checksums_in_use(), _files("evaluation/**/*.json"))


def stress_of_shipped_weights() -> list[SavedStress]:
    """Return the results on corrupted images that were made with exactly the shipped weights."""
    return _stress(weights_folder(), _checksums_in_use(), _files("evaluation/**/*.json"))


def slices_of_shipped_weights() -> list[SavedSlices]:
    """Return the results by attribute and face height that were made with exactly the shipped weights."""
    return _slices(weights_folder(), _checksums_in_use(), _files("evaluation/**/*.json"))


def shipped_evidence() -> Evidence:
    """Return the results by face height and under blur that were made with exactly the shipped weights."""
    return _evidence(weights_folder(), _checksums_in_use(), _files("evaluation/**/*.json"))


def logs_of_training() -> list[TrainingLog]:
    """Return the shipped training logs."""
    return _training_logs(weights_folder(), _files("training/*.csv"))


def _best_timing(points: Iterable[LatencySettings]) -> LatencyResult | None:
    """Return the newest result of the first of `points` that has one."""
    kept = (benchmark_queue().latest(point) for point in points)
    return next((result for result in kept if result is not None), None)


# Name, modification time and bytes of each file: while these stay the same, so does what was read.
_Files = tuple[tuple[str, int, int], ...]


def _files(pattern: str) -> _Files:
    paths = sorted(weights_folder().glob(pattern))
    return tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)


@st.cache_resource(max_entries=2, show_spinner=False)
def _counted(
    folder: Path, models: tuple[str, ...], checksums: Mapping[str, str], files: _Files
) -> Measurements:
    """Count the networks. Every registered model is counted, also one that has no weights."""
    networks, words = load_networks(folder)
    scored = accuracies(_shipped_curves(folder, files), checksums)
    comparison = paired_comparison(shipped_comparisons(folder), checksums, scored)
    pruning, engines = shipped_pruning(folder, checksums), shipped_engines(folder, checksums)
    trained = shipped_pruned_training(folder, checksums)
    return measure(networks, words, None, scored, comparison, pruning, engines, pruned_training=trained)


@st.cache_resource(max_entries=2, show_spinner=False)
def _shipped_curves(folder: Path, files: _Files) -> list[SavedCurves]:
    return shipped_curves(folder)


@st.cache_resource(max_entries=2, show_spinner=False)
def _evidence(folder: Path, checksums: Mapping[str, str], files: _Files) -> Evidence:
    return evidence(folder, checksums)


@st.cache_resource(max_entries=2, show_spinner=False)
def _hard_cases(folder: Path, checksums: Mapping[str, str], files: _Files) -> list[SavedHardCases]:
    return shipped_hard_cases(folder, checksums)


@st.cache_resource(max_entries=2, show_spinner=False)
def _stress(folder: Path, checksums: Mapping[str, str], files: _Files) -> list[SavedStress]:
    return shipped_stress(folder, checksums)


@st.cache_resource(max_entries=2, show_spinner=False)
def _slices(folder: Path, checksums: Mapping[str, str], files: _Files) -> list[SavedSlices]:
    return shipped_slices(folder, checksums)


@st.cache_resource(max_entries=2, show_spinner=False)
def _training_logs(folder: Path, files: _Files) -> list[TrainingLog]:
    return training_logs(folder)
