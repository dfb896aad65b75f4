"""Benchmark results: medians and speed-up, distribution, stages, sweeps and the list of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.timings import (
    AXES,
    WHOLE,
    Timing,
    number_columns,
    stage_table,
    sweep_points,
    timing_table,
)
from featherface.dashboard.components.widgets import origin_badge, plain, show_chart
from featherface.engines.choice import ENGINES, default_engine
from featherface.models import CENTERFACE, MODELS, OTHER_DETECTORS, YUNET, detector_entry
from featherface.profiling.latency import STAGES, LatencyResult, SpeedUp, noise, summary
from featherface.reporting.figures.timing import histogram, stage_bars, sweep_lines
from featherface.reporting.wording import machine_text, when_text
from featherface.study.provenance import Badge

__all__ = ["show_results"]


def show_results(timings: Sequence[Timing]) -> None:
    """Show one timing, of `timings` newest first, and how it compares with the others."""
    timing = _choose_timing({_timing_name(timing): timing for timing in timings})
    _show_cards(timing)
    left, right = st.columns(2, gap="large")
    with left:
        _show_distribution(timing)
    with right:
        _show_stages(timing)
    _show_sweeps(timing, timings)
    _show_history(timing, timings)


def _timing_name(timing: Timing) -> str:
    """Return the title with rounds and second: short runs of one setting can start within a minute."""
    started = datetime.fromisoformat(timing.result.when)
    return f"{timing.title}, {timing.result.rounds} rounds, started {started:%H:%M:%S}"


def _choose_timing(timings: Mapping[str, Timing]) -> Timing:
    """Let the visitor choose a timing by name; until then, return the newest, also when a newer one comes.

    Of several engines that one request has measured, that is the default one's.
    """
    newest = _newest(timings)
    chosen = st.session_state.get("result_chosen", newest)
    st.session_state["result"] = chosen if chosen in timings else newest
    return timings[st.selectbox("Result", list(timings), key="result", on_change=_keep_choice)]


def _newest(timings: Mapping[str, Timing]) -> str:
    last = next(iter(timings))
    together = [name for name, timing in timings.items() if timing.request == timings[last].request]
    engine = default_engine()
    return next((name for name in together if timings[name].result.settings.engine == engine), last)


def _keep_choice() -> None:
    """Remember the chosen result apart from the widget, which has a value even if nobody chose one."""
    st.session_state["result_chosen"] = st.session_state["result"]


def _show_cards(timing: Timing) -> None:
    result = timing.result
    baseline, *others = result.milliseconds
    speed_ups = {key: timing.speed_up(baseline, key) for key in others}
    with st.grid(len(result.milliseconds) + len(speed_ups), min_column_width=190):
        for key in result.milliseconds:
            one = summary(result, key)
            _show_card(
                detector_entry(key).name, f"{one.median:.1f} ms", f"{one.frames_per_second:.1f} images/s"
            )
        for key, found in speed_ups.items():
            interval = f"95% confidence interval {found.low:.2f}–{found.high:.2f}"
            _show_card(f"{detector_entry(key).short_name} speed-up", f"{found.ratio:.2f}×", interval)
    settings = result.settings
    origin_badge(
        Badge.MEASURED,
        f"{when_text(result.when)}, on {machine_text(result.machine)}, "
        f"{_engine_text(result)}. {result.rounds} rounds after "
        f"{settings.warmup} warm-up rounds; in each round all models run on the same input, with threads "
        f"limited to {settings.threads}. Latency is the median per image; confidence intervals are "
        f"bootstrapped over rounds. Speed-up: median latency of {detector_entry(baseline).short_name} "
        "divided by that of the model.",
    )
    _show_cautions(timing, speed_ups)


def _engine_text(result: LatencyResult) -> str:
    """Return what ran each detector: the chosen engine the models, a library of its own each other one."""
    engines = {YUNET: "OpenCV", CENTERFACE: "ONNX Runtime"}
    parts = []
    if any(key in MODELS for key in result.milliseconds):
        parts.append(f"{ENGINES[result.settings.engine].name} {result.engine_version}")
    others = [key for key in result.milliseconds if key in OTHER_DETECTORS]
    parts += [f"{detector_entry(key).name} in {engines[key]}" for key in others]
    return ", ".join(parts)


def _show_card(label: str, value: str, detail: str) -> None:
    st.metric(label, value, detail, delta_color="off", delta_arrow="off", border=True, height="stretch")


def _show_cautions(timing: Timing, speed_ups: Mapping[str, SpeedUp]) -> None:
    """Show what limits the conclusions from this run."""
    result = timing.result
    if not result.complete:
        st.info(
            f"Stopped after {result.rounds} of {result.settings.runs} rounds. The measured rounds are kept.",
            icon=":material/stop_circle:",
        )
    for key, found in speed_ups.items():
        if found.low <= 1 <= found.high:
            st.info(
                f"{detector_entry(key).short_name}: the confidence interval includes 1, so there is no "
                "significant difference in latency.",
                icon=":material/help:",
            )
    signs = noise(result)
    if signs.noisy:
        st.warning(
            f"This run was noisy; treat the result as unreliable. {plain(' '.join(signs.reasons))} Repeat "
            "it on an idle machine.",
            icon=":material/warning:",
        )


def _show_distribution(timing: Timing) -> None:
    st.subheader("Latency distribution")
    st.caption("A narrow peak means a stable run. Dashed lines mark the medians of the latency per image.")
    result = timing.result
    medians = (
        f"{detector_entry(key).name} {summary(result, key).median:.1f} ms" for key in result.milliseconds
    )
    show_chart(
        histogram(result),
        name="latency_histogram",
        alt=f"Histogram of latency per image over {result.rounds} rounds; medians: {', '.join(medians)}",
        data=pd.DataFrame({f"{key}_ms": result.times_per_image(key) for key in result.milliseconds}),
    )


def _show_stages(timing: Timing) -> None:
    st.subheader("Latency by stage")
    summaries = {key: summary(timing.result, key) for key in timing.result.milliseconds}
    table = stage_table(summaries)
    if timing.result.stages == STAGES:
        st.caption(f"From the photo file to the list of faces, left to right: {', '.join(STAGES)}.")
        show_chart(
            stage_bars(summaries),
            name="latency_stages",
            alt="; ".join(
                f"{detector_entry(key).name}: "
                + ", ".join(f"{name} {spent:.1f} ms" for name, spent in one.stages.items())
                for key, one in summaries.items()
            ),
            data=table,
        )
    else:
        st.caption(
            f"This run timed the network only. Choose “{WHOLE}” above to include decoding, preprocessing and "
            "postprocessing."
        )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.1f") for name in table.columns if name != "Model"
        },
        alt="Median, 95th and 99th percentile, fastest round, throughput and stages per model",
    )
    st.caption("Latency per image. p95: 95% of rounds were this fast or faster.")


def _show_sweeps(timing: Timing, timings: Sequence[Timing]) -> None:
    sweeps = [(axis, sweep_points(axis, timing, timings)) for axis in AXES]
    sweeps = [(axis, points) for axis, points in sweeps if len(points) > 1]
    st.subheader("Latency by input size, batch size, threads and engine")
    if not sweeps:
        st.caption("To see how latency scales, choose a sweep above and run the benchmark.")
        return
    st.caption(
        "Median latency per image; error bars reach up to p95. Newest results; all other settings as in "
        "the result shown above."
    )
    for column, (axis, points) in zip(st.columns(len(sweeps), gap="medium"), sweeps, strict=True):
        with column:
            medians = (
                f"{place}: "
                + ", ".join(
                    f"{detector_entry(key).short_name} {summary(one.result, key).median:.1f} ms per image"
                    for key in one.result.milliseconds
                )
                for place, one in points
            )
            show_chart(
                sweep_lines(axis.label, [(place, one.result) for place, one in points]),
                name=f"latency_by_{axis.name.lower().replace(' ', '_')}",
                alt=f"Latency by {axis.label.lower()}. {'; '.join(medians)}",
                data=timing_table([one for _, one in points]),
            )


def _show_history(timing: Timing, timings: Sequence[Timing]) -> None:
    st.subheader("All results")
    st.caption(
        "Newest first, since the server started. Latency is per image. Compare only runs with the same "
        "setting that were not noisy."
    )
    only = st.toggle("Only the setting shown above", key="same_setting", bind="query-params")
    table = timing_table([other for other in timings if not only or timing.compares_with(other)])
    st.dataframe(
        table,
        hide_index=True,
        column_config=number_columns(table),
        alt="All benchmark results with setting, latency, speed-up and confidence interval",
    )
    csv_button("Results (CSV)", lambda: table, "latency")
