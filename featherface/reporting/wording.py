"""Numbers and where they come from, as people read them on pages and in the report."""

from __future__ import annotations

from datetime import datetime

from featherface.models import MODELS
from featherface.profiling.machine import Machine, Quantity
from featherface.study.headlines import Headline

__all__ = ["change_text", "faces_text", "machine_text", "origin_text", "printed", "value_pair", "when_text"]

_FORMS = {  # unit of the quantity: what to divide by, how to print it, what to print behind it
    "parameters": (1e3, "{:.0f}", " k"),
    "MACs": (1e9, "{:.3f}", " G"),
    "ms": (1, "{:.1f}", " ms"),
    "bytes": (1e6, "{:.2f}", " MB"),
    "AP": (1, "{:.3f}", ""),
}


def printed(quantity: Quantity, *, unit: bool = True) -> str:
    """Print a headline number short, with or without its unit."""
    divisor, form, behind = _FORMS[quantity.unit]
    return form.format(quantity.value / divisor) + (behind if unit else "")


def value_pair(row: Headline) -> str:
    """Print the models' values one after the other, the unit once; "?" where there is none yet."""
    *before, last = row.values.values()
    parts = ["?" if quantity is None else printed(quantity, unit=last is None) for quantity in before]
    parts.append("?" if last is None else printed(last))
    return " → ".join(parts)


def change_text(row: Headline) -> str | None:
    """Print the change to the second model: per cent, or the difference of average precision."""
    if row.change is None:
        return None
    if row.more_is_better:
        first, second, *_ = row.values.values()
        return f"{second.value - first.value:+.3f}"
    return f"{100 * row.change:+.1f} %"


def origin_text(row: Headline) -> str:
    """Say the exact values of a headline number and how, when and where each was got."""
    parts = []
    for key, quantity in row.values.items():
        if quantity is None:
            parts.append(f"{MODELS[key].name}: not yet measured.")
            continue
        when = f", {when_text(quantity.when)}" if quantity.when else ""
        where = f", on {machine_text(quantity.machine)}" if quantity.machine else ""
        value = f"{quantity.value:,}" if isinstance(quantity.value, int) else f"{quantity.value:.4g}"
        parts.append(f"{MODELS[key].name}: {value} {quantity.unit}, {quantity.source}{when}{where}.")
    return " ".join(parts)


def when_text(when: str) -> str:
    """Print an ISO 8601 time to the minute."""
    return f"{datetime.fromisoformat(when):%d %B %Y, %H:%M UTC}".lstrip("0")


def faces_text(count: int) -> str:
    """Print a number of faces."""
    return f"{count} {'face' if count == 1 else 'faces'}"


def machine_text(machine: Machine) -> str:
    """Name the machine by what timings depend on."""
    return f"{machine.processor}, {machine.cores} cores, PyTorch {machine.torch}"
