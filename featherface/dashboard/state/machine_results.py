"""Latency results of other machines: files that ship with the project, and those that a session uploads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import cast

import streamlit as st

from featherface.config import WEIGHTS_DIR
from featherface.profiling.bench_file import BenchFileError, load_bench, parse_bench
from featherface.profiling.machine import Machine
from featherface.reporting.machine_comparison import MachineResult, machine_key

__all__ = ["add_bench_file", "forget_machines", "shipped_machines", "uploaded_machines"]

_FOLDER = WEIGHTS_DIR.parent / "assets" / "machines"
_MAX_POINTS = 400  # per session; one takes 10 kB


@st.cache_resource(max_entries=1, show_spinner=False)
def shipped_machines() -> tuple[MachineResult, ...]:
    """Return the results in the project's own files."""
    return tuple(
        MachineResult(path.stem.replace("_", " "), result)
        for path in sorted(_FOLDER.glob("*.json"))
        for result in load_bench(path)
    )


def uploaded_machines() -> Sequence[MachineResult]:
    """Return the results that this session uploaded, oldest first."""
    return cast("list[MachineResult]", st.session_state.setdefault("machines", []))


def add_bench_file(data: bytes, name: str) -> None:
    """Add a file's results, in place of those of an earlier file of that name from the same machine.

    Files of other machines often have the same name, as the page suggests one: they are numbered. Raises
    BenchFileError.
    """
    results = parse_bench(data, name)
    source = _source(name, {machine_key(result.machine) for result in results})
    added = [MachineResult(source, result) for result in results]
    kept = [one for one in uploaded_machines() if one.source != source]
    if len(kept) + len(added) > _MAX_POINTS:
        raise BenchFileError(f"At most {_MAX_POINTS} results are kept; remove the uploaded ones first.")
    st.session_state["machines"] = [*kept, *added]


def _source(name: str, machines: set[Machine]) -> str:
    """Return the first of name, "name (2)", "name (3)", ... that no results of other machines have."""
    names = (name if number == 1 else f"{name} ({number})" for number in count(1))
    return next(one for one in names if _machines_of(one) in (set(), machines))


def _machines_of(source: str) -> set[Machine]:
    return {machine_key(one.result.machine) for one in uploaded_machines() if one.source == source}


def forget_machines() -> None:
    """Remove the results that this session uploaded."""
    st.session_state["machines"] = []
