"""The roofline: attainable and achieved performance of the networks on this machine."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from featherface.dashboard.components.input_size import size_text
from featherface.dashboard.components.widgets import origin_badge, required_choice, show_chart
from featherface.dashboard.state.peak_performance import known_peak, measure_and_keep_peak
from featherface.dashboard.state.shared_service import benchmark_queue, machine
from featherface.engines.choice import ENGINES
from featherface.profiling.complexity import Cost
from featherface.profiling.latency import LatencyResult, summary
from featherface.profiling.roofline import MachinePeak, reached_gflops
from featherface.reporting.figures.costs import Workload, roofline_chart
from featherface.reporting.tables import roofline_table
from featherface.reporting.wording import machine_text, when_text
from featherface.study.provenance import Badge

__all__ = ["show_roofline"]


def show_roofline(costs: Mapping[str, Cost], height: int, width: int) -> None:
    """Show the machine's roofline with the networks below it, once its peak has been measured."""
    st.caption(
        "Attainable performance on this machine. The slope is the memory bandwidth, the flat part the peak "
        "of the processor. Left of the ridge a network is memory-bound, right of it compute-bound."
    )
    threads = _choose_threads()
    peak = known_peak(threads)
    if peak is None:
        st.info("Peak performance has not been measured for this thread count.", icon=":material/timer:")
        return
    timed = _newest_timing(height, width, threads)
    table = roofline_table(costs, peak, timed)
    origin_badge(
        Badge.MEASURED,
        f"{when_text(peak.when)}, on {machine_text(peak.machine)}, threads: {threads}. Best result of "
        "matrix multiplication and of memory copy, half a second each.",
    )
    show_chart(
        roofline_chart(peak, _workloads(costs, peak, timed)),
        name="roofline",
        alt=f"Roofline with a peak of {peak.gflops:.0f} GFLOPS and {peak.gigabytes_per_second:.0f} GB/s; "
        "networks and their groups by arithmetic intensity",
        data=table,
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.1f") for name in table.columns if name != "Part"
        },
        alt="Arithmetic intensity, attainable and achieved performance per model and group",
    )
    unfolded = " and ".join(entry.name for entry in ENGINES.values() if not entry.folds_batch_norm)
    st.caption(
        f"Peak: {peak.gflops:.1f} GFLOPS and {peak.gigabytes_per_second:.1f} GB/s; the ridge is at "
        f"{peak.ridge:.1f} FLOPs per byte. Filled stars: achieved at {size_text(height, width)} in the "
        "newest benchmark with the same thread count. Open markers: attainable. Batch norm is folded into "
        f"the convolutions here, so benchmarks in {unfolded}, which does not fold it, are left out. Caching "
        "is not modelled, so a network whose feature maps fit into the cache can lie above the slope."
        + (
            ""
            if timed
            else " Run a benchmark at this input size on the Latency page to see the achieved performance."
        )
    )


def _choose_threads() -> int:
    """Show the thread count and the button that measures the peak; return the count."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        threads = required_choice("Threads", range(1, machine().cores + 1), 1, "roof_threads")
        busy = bool(benchmark_queue().jobs())
        if st.button("Measure peak performance", icon=":material/timer:", disabled=busy):
            with st.spinner("Measuring for a few seconds"):
                measure_and_keep_peak(threads)
    if busy:
        st.caption("A benchmark is running. The peak can be measured when it has finished.")
    return threads


def _newest_timing(height: int, width: int, threads: int) -> LatencyResult | None:
    """Return the newest network-only benchmark at this size with batch size 1 and batch norm folded."""
    wanted = (height, width, 1, threads)
    for request, result in reversed(benchmark_queue().results()):
        at = result.settings
        all_models = request.photo is None and not request.models
        counted = all_models and ENGINES[at.engine].folds_batch_norm
        if counted and (at.height, at.width, at.batch, at.threads) == wanted:
            return result
    return None


def _workloads(costs: Mapping[str, Cost], peak: MachinePeak, timed: LatencyResult | None) -> list[Workload]:
    """Return the points of the chart: networks, achieved if timed, and groups at their attainable peak."""
    points = []
    for key, found in costs.items():
        attainable = peak.attainable_gflops(found.folded_intensity)
        reached = reached_gflops(found, summary(timed, key).median) if timed else attainable
        points.append(Workload(key, None, found.folded_intensity, reached, reached=timed is not None))
        points += [
            Workload(
                key,
                part.group,
                part.folded_intensity,
                peak.attainable_gflops(part.folded_intensity),
                reached=False,
            )
            for part in found.groups
        ]
    return points
