"""Published results of other detectors with 0.05 to 1 million parameters, with source and protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dacite

__all__ = ["OPERATIONS_NOTE", "PUBLISHED_IMAGES", "Operations", "Peer", "by_protocol", "peers"]

_FILE = Path(__file__).with_name("peers.json")
PUBLISHED_IMAGES = 3_226  # of the WIDER FACE validation set, counted in its ground truth
OPERATIONS_NOTE: str = json.loads(_FILE.read_text(encoding="utf-8"))["operations_note"]


@dataclass(frozen=True)
class Operations:
    """The cost of one forward pass as printed in the source, not converted."""

    value: float
    printed: str
    input: str  # the input size of the figure


@dataclass(frozen=True)
class Peer:
    """Average precision on the WIDER FACE validation set, in per cent, as published.

    `protocol` is the input size of the evaluation: results of different protocols do not compare. Parameters
    and operations are None where no source named here states them.
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
    model: str = ""  # key in MODELS of the network into which the published checkpoint loads


@cache
def peers() -> tuple[Peer, ...]:
    """Return every row of peers.json."""
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["rows"]
    return tuple(dacite.from_dict(Peer, row, dacite.Config(strict=True, cast=[float])) for row in rows)


def by_protocol(rows: Iterable[Peer]) -> Mapping[str, tuple[Peer, ...]]:
    """Group the rows that compare: by protocol, in the order of first appearance."""
    listed = list(rows)
    protocols = dict.fromkeys(row.protocol for row in listed)
    return {protocol: tuple(row for row in listed if row.protocol == protocol) for protocol in protocols}
