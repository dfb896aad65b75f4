"""Numbers, times and origins as the pages and the report print them."""

from __future__ import annotations

from datetime import UTC, datetime

from featherface.detection.multiscale import Pass
from featherface.evaluation.paired_bootstrap import difference_text
from featherface.models import MODELS
from featherface.profiling.latency import LatencyResult
from featherface.profiling.machine import Machine
from featherface.study.headlines import Headline
from featherface.study.provenance import Quantity

__all__ = [
    "change_text",
    "faces_text",
    "images_text",
    "input_text",
    "machine_text",
    "origin_text",
    "pass_text",
    "photos_text",
    "printed",
    "utc",
    "value_pair",
    "when_text",
]

_FORMATS = {  # unit of the quantity: divisor, format, printed unit
    "parameters": (1e3, "{:.0f}", "k"),
    "MACs": (1e9, "{:.3f}", " GMACs"),
    "ms": (1, "{:.1f}", " ms"),
    "bytes": (1e6, "{:.2f}", " MB"),
    "AP": (1, "{:.3f}", ""),
}


def printed(quantity: Quantity, *, unit: bool = True) -> str:
    """Return a headline number in short form, with or without its unit."""
    divisor, form, name = _FORMATS[quantity.unit]
    return form.format(quantity.value / divisor) + (name if unit else "")


def value_pair(row: Headline) -> str:
    """Return the models' values in order; a unit that is a word stands once, and "?" for a missing value."""
    *before, last = row.values.values()
    once = last is not None and _FORMATS[last.unit][2].startswith(" ")
    parts = ["?" if quantity is None else printed(quantity, unit=not once) for quantity in before]
    parts.append("?" if last is None else printed(last))
    return " → ".join(parts)


def change_text(row: Headline) -> str | None:
    """Return the change from the first to the second model: in percent, or the difference in AP."""
    if row.change is None:
        return None
    first, second, *_ = row.values.values()
    if row.more_is_better and first is not None and second is not None:
        return difference_text(second.value - first.value)
    return f"{difference_text(100 * row.change, 1)}%"


def origin_text(row: Headline) -> str:
    """Return the exact values of a headline number, each with how, when and where it was obtained."""
    return " ".join(_value_origin(MODELS[key].name, quantity) for key, quantity in row.values.items())


def _value_origin(name: str, quantity: Quantity | None) -> str:
    if quantity is None:
        return f"{name}: not measured yet."
    value = f"{quantity.value:,}" if isinstance(quantity.value, int) else f"{quantity.value:.4g}"
    when = f", {when_text(quantity.when)}" if quantity.when else ""
    where = f", on {machine_text(quantity.machine)}" if quantity.machine else ""
    return f"{name}: {value} {quantity.unit}, {quantity.source}{when}{where}."


def when_text(when: str) -> str:
    """Return an ISO 8601 time in UTC to the minute: "3 January 2026, 14:05 UTC"; without offset it is UTC."""
    return f"{utc(when):%d %B %Y, %H:%M UTC}".lstrip("0")


def utc(when: str) -> datetime:
    """Return an ISO 8601 time, which is in UTC unless it has an offset, as a time in UTC."""
    time = datetime.fromisoformat(when)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def faces_text(count: int) -> str:
    """Return a number of faces: "1 face", "2 faces"."""
    return f"{count:,} {'face' if count == 1 else 'faces'}"


def images_text(count: int) -> str:
    """Return a number of images: "1 image", "1,024 images"."""
    return f"{count:,} {'image' if count == 1 else 'images'}"


def photos_text(count: int) -> str:
    """Return a number of photos: "1 photo", "2 photos"."""
    return f"{count:,} {'photo' if count == 1 else 'photos'}"


def machine_text(machine: Machine) -> str:
    """Return what timings on this machine depend on: processor, cores and PyTorch version."""
    return f"{machine.processor}, {machine.cores} cores, PyTorch {machine.torch}"


def input_text(result: LatencyResult) -> str:
    """Return the input size of a benchmark: "640 × 640", or "640 × 427 from bar.jpg (800 × 534)"."""
    settings, photo = result.settings, result.photo
    if photo is not None:
        size = f"{photo.input_width} × {photo.input_height}"
        return f"{size} from {photo.name} ({photo.width} × {photo.height})"
    if result.stages == ("network",):
        return f"{settings.width} × {settings.height}"
    return f"longer side {max(settings.width, settings.height)}"  # its photo was not recorded


def pass_text(one: Pass) -> str:
    """Return what the network saw in a pass: "640 × 480 px", "640 × 480 px, photo turned by 90°"."""
    height, width = one.raw.input_size
    turn = f", photo turned by {one.degrees}°" if one.degrees else ""
    return f"{width:,} × {height:,} px{turn}"
