"""The Latency page's comparison of machines: files of `featherface bench --out` side by side."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.timings import ALONE, Timing, number_columns
from featherface.dashboard.components.widgets import plain, show_chart
from featherface.dashboard.state.machine_results import (
    add_bench_file,
    forget_machines,
    shipped_machines,
    uploaded_machines,
)
from featherface.engines.choice import ENGINES
from featherface.files import short_name
from featherface.models import detector_entry
from featherface.profiling.bench_file import MAX_BENCH_BYTES, BenchFileError
from featherface.profiling.latency import summary
from featherface.reporting.machine_comparison import (
    MachineResult,
    machine_bars,
    machine_key,
    machine_table,
    machine_text_lines,
    setting_key,
    setting_name,
)

__all__ = ["show_machines"]

_COMMAND = "featherface bench --engine all --precision all --out result.json"


def show_machines(timings: Sequence[Timing]) -> None:
    """Show `timings` of this server beside those of other machines, and take further files."""
    st.header("Machines")
    st.caption(
        "Measure any machine where pip works, from a Raspberry Pi to a server, and upload the file here. "
        "Latency is per image."
    )
    st.code(_COMMAND, language=None, wrap_lines=True)
    _take_files()
    here = [MachineResult("this server", one.result) for one in timings if one.timed == ALONE]
    found = [*_newest(here), *uploaded_machines(), *shipped_machines()]
    if not found:
        st.info("No results yet: run a benchmark above, or upload a file.", icon=":material/memory:")
        return
    names: dict[tuple[object, ...], str] = {}
    for one in found:
        names.setdefault(setting_key(one.result), setting_name(one.result))
    chosen = st.selectbox(
        "Setting",
        list(names.values()),
        key="machine_setting",
        help="Only results with the same setting can be compared.",
    )
    _show_comparison([one for one in found if names[setting_key(one.result)] == chosen])


def _take_files() -> None:
    files = st.file_uploader(
        "Results of `featherface bench --out`",
        type="json",
        accept_multiple_files=True,
        key="bench_upload",
        max_upload_size=MAX_BENCH_BYTES // 10**6,
    )
    pressed = st.button("Show results", key="add_machines", icon=":material/add_chart:", disabled=not files)
    if pressed:
        for file in files:
            try:
                add_bench_file(file.getvalue(), short_name(file.name))
            except BenchFileError as error:
                st.error(plain(str(error)), icon=":material/error:")
    if uploaded_machines():
        st.button(
            "Remove uploaded results",
            key="forget_machines",
            icon=":material/delete:",
            type="tertiary",
            on_click=forget_machines,
        )


def _newest(found: Sequence[MachineResult]) -> list[MachineResult]:
    """Return the first result, which is the newest, of each engine, precision and setting."""
    newest: dict[tuple[tuple[str, ...], str, str, str], MachineResult] = {}
    for one in found:
        settings = one.result.settings
        models = tuple(one.result.milliseconds)
        newest.setdefault((models, settings.engine, settings.precision, setting_name(one.result)), one)
    return list(newest.values())


def _show_comparison(found: Sequence[MachineResult]) -> None:
    table = machine_table(found)
    rows = (
        f"{one.result.machine.processor}, {ENGINES[one.result.settings.engine].name} "
        f"{one.result.settings.precision}: "
        + ", ".join(
            f"{detector_entry(key).short_name} {summary(one.result, key).median:.1f} ms per image"
            for key in one.result.milliseconds
        )
        for one in found
    )
    show_chart(
        machine_bars(found), name="machines", alt=f"Median latency by machine. {'; '.join(rows)}", data=table
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config=number_columns(table),
        alt="Latency and speed-up per machine, engine and precision",
    )
    csv_button("Machines (CSV)", lambda: table, "machine_table")
    _show_cards(found)


def _show_cards(found: Sequence[MachineResult]) -> None:
    machines = dict.fromkeys(machine_key(one.result.machine) for one in found)
    with st.grid(min(3, len(machines)), min_column_width=280):
        for machine in machines:
            with st.container(border=True):
                st.markdown(f"**{plain(machine.processor)}**")
                lines = machine_text_lines(machine).items()
                st.markdown("  \n".join(f":small[{name}: {plain(value)}]" for name, value in lines))
