"""The settings of a benchmark and the benchmark queue."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from featherface.checkpoints import WeightsFile
from featherface.config import DEFAULT_INPUT_SIZE, INPUT_SIZE_RANGE
from featherface.dashboard.components.detector_files_panel import (
    choose_detector_files,
    show_detectors_popover,
)
from featherface.dashboard.components.model_pair import choose_detector_pair
from featherface.dashboard.components.queue_panel import own_job, show_queue
from featherface.dashboard.components.timings import ALONE, AXES, WHOLE
from featherface.dashboard.components.widgets import plain, required_choice, whole_number
from featherface.dashboard.state.own_detectors import available_detectors
from featherface.dashboard.state.photos import SAMPLES
from featherface.dashboard.state.shared_service import benchmark_queue, machine
from featherface.engines.choice import ENGINES, default_engine, installed_engines
from featherface.profiling.latency import (
    BenchmarkError,
    BenchmarkPhoto,
    LatencyResult,
    LatencySettings,
    variations,
)
from featherface.serving.benchmark_queue import BenchmarkBusyError, BenchmarkRequest

__all__ = ["show_benchmarks", "show_start"]

_SIZES = (160, 320, 480, 640, 960)  # pixels
_BATCHES = (1, 2, 4, 8)
_OWN = "benchmark_job"  # in the session's state


def show_start() -> None:
    """Show the settings of the next benchmark and the button that starts it."""
    models, files = _choose_models()
    timed, vary = _choose_kind()
    base = _choose_setting("square" if timed == ALONE else "longer side")
    try:
        request = BenchmarkRequest(_points(base, vary), _photo(timed), models, files)
        if request.photo is not None and any(point.batch > 1 for point in request.points):
            raise BenchmarkError(
                "End-to-end benchmarks process one photo at a time: set the batch size to 1."
            )
    except BenchmarkError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if st.button("Run benchmark", icon=":material/timer:", disabled=own_job(_OWN) is not None):
        try:
            st.session_state[_OWN] = benchmark_queue().submit(request)
        except BenchmarkBusyError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def show_benchmarks() -> None:
    """Show the queue; the page runs again when there is a new result."""
    show_queue(_OWN, _newest_result, "Rounds measured so far are kept.")


def _choose_models() -> tuple[tuple[str, ...], tuple[WeightsFile, ...]]:
    """Return the pair to measure and the model files in it; empty for all models, as without model files."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pair = choose_detector_pair() if available_detectors() else ()
        files = tuple(choose_detector_files(pair).values())
        show_detectors_popover()
    return (pair if files else ()), files


def _choose_kind() -> tuple[str, str]:
    """Return what is timed and the name of the axis that varies."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        timed = required_choice(
            "Measure",
            [ALONE, WHOLE],
            ALONE,
            "timed",
            help="End to end: from the photo file to the list of faces.",
        )
        vary = required_choice(
            "Sweep",
            ["None", *(axis.name for axis in AXES)],
            "None",
            "vary",
            help="Runs one benchmark per value; all other settings stay the same.",
        )
    return timed, vary


def _choose_setting(measure: str) -> LatencySettings:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        input_size = whole_number(
            f"Input size (px, {measure})",
            *INPUT_SIZE_RANGE,
            DEFAULT_INPUT_SIZE,
            32,
            "bench_input_size",
            width=170,
        )
        batch = whole_number("Batch size", 1, 16, 1, 1, "batch", width=130)
        threads = required_choice("Threads", _thread_counts(), 1, "threads")
        engine = required_choice(
            "Engine",
            installed_engines(),
            default_engine(),
            "engine",
            format_func=lambda key: ENGINES[key].name,
            help="The library that runs the networks in this benchmark; the Detection page uses the default.",
        )
        runs = whole_number("Rounds", 5, 500, 50, 5, "runs", width=140)
        warmup = whole_number(
            "Warm-up rounds",
            0,
            50,
            5,
            1,
            "warmup",
            width=150,
            help="Warm-up rounds (discarded) let memory pools, code caches and the clock frequency settle.",
        )
    return LatencySettings(input_size, input_size, batch, threads, runs, warmup, engine)


def _points(base: LatencySettings, vary: str) -> tuple[LatencySettings, ...]:
    return {
        "None": (base,),
        "Input size": variations(base, input_sizes=_SIZES),
        "Batch size": variations(base, batches=_BATCHES),
        "Threads": variations(base, threads=_thread_counts()),
        "Engine": variations(base, engines=installed_engines()),
    }[vary]


def _photo(timed: str) -> BenchmarkPhoto | None:
    """Return the photo to time end to end; None for the network only."""
    if timed == ALONE:
        return None
    names = {file.key: file.name for file in SAMPLES}
    key = required_choice(
        "Photo", list(names), SAMPLES[1].key, "timed_photo", format_func=names.__getitem__, wrap=True
    )
    source = next(file.source for file in SAMPLES if file.key == key)
    assert isinstance(source, Path)  # the samples are files
    return BenchmarkPhoto(source.name, source.read_bytes())


def _thread_counts() -> range:
    return range(1, machine().cores + 1)


def _newest_result() -> LatencyResult | None:
    """Return the newest result; their number stops growing once the queue drops old ones."""
    results = benchmark_queue().results()
    return results[-1][1] if results else None
