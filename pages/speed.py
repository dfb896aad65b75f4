"""Speed: how long both networks take on this machine, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from featherface.dashboard.components.benchmark_panel import show_queue, show_start
from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.timings import (
    AXES,
    WHOLE,
    Timing,
    stage_table,
    sweep_points,
    timing_table,
)
from featherface.dashboard.components.widgets import origin_badge, plain, show_chart
from featherface.models import MODELS
from featherface.profiling.latency import STAGES, noise, summary
from featherface.profiling.machine import Badge
from featherface.reporting.figures.timing import histogram, stage_bars, sweep_lines
from featherface.reporting.wording import machine_text, when_text
from featherface.serving.benchmark_queue import benchmark_queue


def show_cards(timing: Timing) -> None:
    """Show medians and speed-up, where they come from, and what speaks against them."""
    result, found = timing.result, timing.speed_up
    quiet = {"delta_color": "off", "delta_arrow": "off", "border": True, "height": "stretch"}
    with st.grid(3):
        for key, entry in MODELS.items():
            one = summary(result, key)
            st.metric(
                entry.name, f"{one.median:.1f} ms", f"{one.frames_per_second:.1f} pictures a second", **quiet
            )
        interval = f"{found.low:.2f} to {found.high:.2f}, 95 % interval"
        st.metric("V2 is faster by a factor of", f"{found.ratio:.2f}", interval, **quiet)
    settings = result.settings
    origin_badge(
        Badge.MEASURED,
        f"On {when_text(result.when)}, on {machine_text(result.machine)}. {result.rounds} rounds after "
        f"{settings.warmup} to warm up, the models taking turns on the same input, threads pinned to "
        f"{settings.threads}. Medians; the interval comes from resampling whole rounds.",
    )
    if not result.complete:
        st.info(
            f"Stopped after {result.rounds} of {settings.runs} rounds; what was measured is kept.",
            icon=":material/stop_circle:",
        )
    if found.low <= 1 <= found.high:
        st.info(
            "The interval holds 1, so this run does not say which model is faster.", icon=":material/help:"
        )
    signs = noise(result)
    if signs.noisy:
        st.warning(
            f"This run was noisy, so do not lean on it. {plain(' '.join(signs.reasons))} Measure again when "
            "the machine is idle.",
            icon=":material/warning:",
        )


def show_histogram(timing: Timing) -> None:
    """Show how often each time was measured."""
    st.subheader("How often which time")
    st.caption("Narrow and high is a steady run; dashed lines are the medians.")
    result = timing.result
    medians = (f"{summary(result, key).median:.1f} ms for {entry.name}" for key, entry in MODELS.items())
    show_chart(
        histogram(result),
        name="latency_histogram",
        alt=f"Times of {result.rounds} rounds; medians of {' and '.join(medians)}",
        data=pd.DataFrame({f"{key}_ms": result.totals(key) for key in MODELS}),
    )


def show_stages(timing: Timing) -> None:
    """Show where the time goes, and the tail."""
    st.subheader("Where the time goes")
    summaries = {key: summary(timing.result, key) for key in MODELS}
    if timing.result.stages == STAGES:
        st.caption("From the file to the list of faces, left to right: " + ", ".join(STAGES) + ".")
        show_chart(
            stage_bars(summaries),
            name="latency_stages",
            alt="; ".join(
                f"{MODELS[key].name}: "
                + ", ".join(f"{name} {spent:.1f} ms" for name, spent in one.stages.items())
                for key, one in summaries.items()
            ),
            data=stage_table(summaries),
        )
    else:
        st.caption(
            f"The network alone was timed. “{WHOLE}” above also times decode, preprocess and postprocess."
        )
    table = stage_table(summaries)
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.1f") for name in table.columns if name != "Model"
        },
        alt="Median, 95th and 99th percentile, fastest round, pictures a second and stages of each model",
    )
    st.caption("p95: 95 of 100 rounds took no longer.")


def show_sweeps(timing: Timing, timings: Sequence[Timing]) -> None:
    """Show how time changes with size, batch and threads."""
    sweeps = [(axis, sweep_points(axis, timing, timings)) for axis in AXES]
    sweeps = [(axis, points) for axis, points in sweeps if len(points) > 1]
    st.subheader("Against size, batch and threads")
    if not sweeps:
        st.caption("To see how time grows with one of these, choose it under “Vary” above and start.")
        return
    st.caption("Median time a picture; the whisker ends at p95. Newest measurements, the rest as chosen.")
    for column, (axis, points) in zip(st.columns(len(sweeps), gap="medium"), sweeps, strict=True):
        with column:
            medians = (
                f"{place}: "
                + " and ".join(f"{summary(one.result, key).median:.0f} ms a batch" for key in MODELS)
                for place, one in points
            )
            show_chart(
                sweep_lines(axis.label, [(place, one.result) for place, one in points]),
                name=f"latency_by_{axis.name.lower()}",
                alt=f"Time of V1 and V2 against {axis.label.lower()}; {'; '.join(medians)}",
                data=timing_table([one for _, one in points]),
            )


def show_history(timing: Timing, timings: Sequence[Timing]) -> None:
    """Show all that was measured since the program started."""
    st.subheader("Earlier measurements")
    st.caption("Newest first, since this program started. Compare runs of one setting that were not noisy.")
    only = st.toggle("Only the setting shown above", key="same_setting", bind="query-params")
    table = timing_table([other for other in timings if not only or timing.compares_with(other)])
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.1f" if name.endswith("ms") else "%.2f")
            for name in table.select_dtypes("float")
        },
        alt="Measurements with setting, times, speed-up and its interval",
    )
    csv_button("Measurements (CSV)", lambda: table, "latency")


def timing_name(timing: Timing) -> str:
    """Return the title with rounds and second, as quick runs of one setting start within a minute."""
    started = datetime.fromisoformat(timing.result.when)
    return f"{timing.title}, {timing.result.rounds} rounds from {started:%H:%M:%S}"


def choose_timing(timings: Mapping[str, Timing]) -> Timing:
    """Let a person choose a timing by name; until then, return the first, also when a newer one comes."""
    newest = next(iter(timings))
    chosen = st.session_state.get("result_chosen", newest)
    st.session_state["result"] = chosen if chosen in timings else newest
    return timings[st.selectbox("Result", list(timings), key="result", on_change=_keep_choice)]


def _keep_choice() -> None:
    """Remember the chosen result apart from the widget, which also has a value where nobody chose."""
    st.session_state["result_chosen"] = st.session_state["result"]


def show_results(timings: Sequence[Timing]) -> None:
    """Show one timing, of `timings` newest first, and how it compares."""
    timing = choose_timing({timing_name(timing): timing for timing in timings})
    show_cards(timing)
    left, right = st.columns(2, gap="large")
    with left:
        show_histogram(timing)
    with right:
        show_stages(timing)
    show_sweeps(timing, timings)
    show_history(timing, timings)


st.title("How fast they are on this machine")
st.caption(
    "Both networks run as on the Detection page, turn about on the same input, so that a busy moment falls "
    "on both. One benchmark runs at a time, for all sessions; others wait in line."
)
show_start()
show_queue()
measured = [Timing(request, result) for request, result in reversed(benchmark_queue().results())]
if measured:
    show_results(measured)
else:
    st.info("Nothing was measured yet on this machine.", icon=":material/timer:")
