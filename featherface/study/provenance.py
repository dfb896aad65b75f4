"""The origin of a number: counted, measured, defined, published or a target, and when, where and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from featherface.profiling.machine import Machine

__all__ = ["Badge", "Quantity", "counted", "measured"]


class Badge(StrEnum):
    """The kind of origin of a number."""

    MEASURED = "measured"  # by this program: it depends on the machine, the weights or the images
    COUNTED = "counted"  # by this program, exactly: it depends on the architecture alone
    DEFINITION = "definition"  # a constant, such as the reference that an axis is scaled by
    PUBLISHED = "published"  # by the source named
    TARGET = "target"  # what somebody aims for


@dataclass(frozen=True)
class Quantity:
    """One number with its unit and origin.

    `source` says how it was measured or counted, where it was published or who set the target. `when`
    (ISO 8601) and `machine` are set where the number depends on them, as timings do.
    """

    value: float
    unit: str
    badge: Badge
    source: str
    when: str | None = None
    machine: Machine | None = None


def counted(value: float, unit: str, how: str) -> Quantity:
    """Return a quantity that is counted exactly, the same on every machine."""
    return Quantity(value, unit, Badge.COUNTED, how)


def measured(value: float, unit: str, how: str, when: str, machine: Machine) -> Quantity:
    """Return a quantity that was measured at a time on a machine."""
    return Quantity(value, unit, Badge.MEASURED, how, when, machine)
