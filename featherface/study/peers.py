"""Published figures of other detectors of 0.05 to 1 million parameters, each with its source and protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["OPERATIONS_NOTE", "Operations", "Peer", "by_protocol", "peers"]

_FILE = Path(__file__).with_name("peers.json")
OPERATIONS_NOTE: str = json.loads(_FILE.read_text(encoding="utf-8"))["operations_note"]


@dataclass(frozen=True)
class Operations:
    """The cost of one forward pass as a source prints it, not converted."""

    value: float
    printed: str
    input: str  # the size that the figure holds for


@dataclass(frozen=True)
class Peer:
    """Average precision on the WIDER FACE validation set, per cent, as published.

    `protocol` says at what size the pictures went in: figures of different protocols do not compare.
    Parameters and operations are None where no source named here states them.
    """

    name: str
    easy: float
    medium: float
    hard: float
    protocol: str
    parameters: int | None
    operations: Operations | None
    source: str
    link: str


@cache
def peers() -> tuple[Peer, ...]:
    """Every row of peers.json."""
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["rows"]
    return tuple(_peer(row) for row in rows)


def by_protocol(rows: Iterable[Peer]) -> Mapping[str, tuple[Peer, ...]]:
    """The rows that may share an axis, protocol by protocol in the order first met."""
    listed = list(rows)
    protocols = dict.fromkeys(row.protocol for row in listed)
    return {protocol: tuple(row for row in listed if row.protocol == protocol) for protocol in protocols}


def _peer(row: Mapping[str, object]) -> Peer:
    operations = row["operations"] and Operations(**row["operations"])
    return Peer(**{**row, "operations": operations})
