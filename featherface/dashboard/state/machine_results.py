"""Latency results of other machines: files that ship with the project, and those that a session uploads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import streamlit as st

from featherface.config import WEIGHTS_DIR
from featherface.profiling.bench_file import BenchFileError, load_bench, parse_bench
from featherface.reporting.machine_comparison import MachineResult

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
    """Add a file's results, in place of those of an earlier file of that name. Raises BenchFileError."""
    added = [MachineResult(name, result) for result in parse_bench(data, name)]
    kept = [one for one in uploaded_machines() if one.source != name]
    if len(kept) + len(added) > _MAX_POINTS:
        raise BenchFileError(f"At most {_MAX_POINTS} results are kept; remove the uploaded ones first.")
    st.session_state["machines"] = [*kept, *added]


def forget_machines() -> None:
    """Remove the results that this session uploaded."""
    st.session_state["machines"] = []
