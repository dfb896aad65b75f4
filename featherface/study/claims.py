"""The study's quantitative claims, read from claims.toml, each compared with what is measured."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import dacite

from featherface.errors import FeatherFaceError, sentence
from featherface.study.claim_measurements import MEASUREMENTS, Reading
from featherface.study.measurements import Measurements
from featherface.study.provenance import Badge

__all__ = [
    "CLAIMS",
    "RECIPE",
    "AuditRow",
    "Claim",
    "ClaimsError",
    "RecommendedSetting",
    "Verdict",
    "audit",
    "parse_claims",
]

_FILE = Path(__file__).with_name("claims.toml")
_OFF_LIMIT = 0.10  # a claim further from the measurement than this share of itself is wrong, not merely off


class ClaimsError(FeatherFaceError):
    """The claims cannot be read; the message says what is wrong."""


class Verdict(StrEnum):
    """What the measurement says about a claim."""

    HOLDS = "holds"
    OFF = "off"
    WRONG = "wrong"
    INCONCLUSIVE = "inconclusive"  # the interval lies partly inside the claim, or the run was noisy
    NOT_MEASURED = "not measured yet"


@dataclass(frozen=True)
class Claim:
    """A number that the study claims to lie between `low` and `high`; `tolerance` is its rounding.

    `measurement` is a key of MEASUREMENTS, `model` and `group` (or engine) what it measures; `why` explains a
    difference.
    """

    id: str
    quote: str
    where: str  # section of the notebook
    low: float
    tolerance: float
    measurement: str
    high: float = float("inf")  # infinite where the claim is "at least"
    unit: str = ""
    model: str = ""
    group: str = ""
    why: str = ""
    is_target: bool = False  # the study aims for it and says so


@dataclass(frozen=True)
class RecommendedSetting:
    """A setting that the study recommends: nothing to measure, listed for completeness."""

    setting: str
    where: str  # section of the notebook


@dataclass(frozen=True)
class AuditRow:
    """One claim with its reading and verdict; `text` sums both up in words."""

    claim: Claim
    reading: Reading | None
    verdict: Verdict
    text: str

    def as_record(self) -> Mapping[str, object]:
        """Return the row as plain values for JSON; an open upper end is None."""
        claim, reading = self.claim, self.reading
        return {
            "id": claim.id,
            "quote": claim.quote,
            "where": claim.where,
            "claimed": [claim.low, None if claim.high == float("inf") else claim.high],
            "unit": claim.unit,
            "is_target": claim.is_target,
            "measured": reading and reading.value,
            "interval": reading and [reading.low, reading.high],
            "how": reading and reading.how,
            "badge": reading and reading.badge.value,
            "verdict": self.verdict.value,
            "text": self.text,
        }


def audit(measurements: Measurements) -> tuple[AuditRow, ...]:
    """Judge every claim, in the order of the notebook."""
    return tuple(
        _judge(claim, MEASUREMENTS[claim.measurement](measurements, claim.model, claim.group))
        for claim in CLAIMS
    )


def parse_claims(text: str) -> tuple[tuple[Claim, ...], tuple[RecommendedSetting, ...]]:
    """Return the claims and the recommended settings in a TOML text.

    Raises ClaimsError for an unknown or missing field, a value of another type, an unknown measurement, an
    identifier that appears twice and a claim whose upper end lies below the lower.
    """
    config = dacite.Config(strict=True)
    try:
        tables = tomllib.loads(text)
        claims = tuple(dacite.from_dict(Claim, table, config) for table in tables["claim"])
        recipe = tuple(dacite.from_dict(RecommendedSetting, table, config) for table in tables["recipe"])
    except (tomllib.TOMLDecodeError, dacite.DaciteError, KeyError, TypeError) as error:
        raise ClaimsError(sentence(f"The claims cannot be read: {error}.")) from error
    for claim in claims:
        if claim.measurement not in MEASUREMENTS:
            raise ClaimsError(f"The claim {claim.id} names an unknown measurement, {claim.measurement!r}.")
        if not claim.low <= claim.high:
            raise ClaimsError(f"The claim {claim.id} ends at {claim.high}, below its start at {claim.low}.")
    if len({claim.id for claim in claims}) < len(claims):
        raise ClaimsError("Two claims have the same id.")
    return claims, recipe


def _judge(claim: Claim, reading: Reading | None) -> AuditRow:
    if reading is None:
        return AuditRow(claim, None, Verdict.NOT_MEASURED, "Not measured yet.")
    verdict = Verdict.INCONCLUSIVE if reading.caution else _verdict(claim, reading)
    text = _value_text(reading, claim.unit)
    if reading.low < reading.high:
        text += f" ({_number(reading.low)} to {_number(reading.high)})"
    if verdict in (Verdict.OFF, Verdict.WRONG):
        text += f", {_distance_text(claim, reading.value)}"
    text += "."
    if verdict is not Verdict.HOLDS and claim.why:
        text += f" {claim.why}"
    if reading.caution:
        text += f" {reading.caution}"
    return AuditRow(claim, reading, verdict, text)


def _value_text(reading: Reading, unit: str) -> str:
    value = _with_unit(reading.value, unit)
    if reading.badge is Badge.DEFINITION:
        return f"{value} by definition"
    return f"{reading.badge.value.capitalize()} {value}"


def _verdict(claim: Claim, reading: Reading) -> Verdict:
    low, high = claim.low - claim.tolerance, claim.high + claim.tolerance
    if low <= reading.low and reading.high <= high:
        return Verdict.HOLDS
    if reading.high >= low and reading.low <= high:
        return Verdict.INCONCLUSIVE
    edge = _nearest_edge(claim, reading.value)
    return Verdict.OFF if abs(reading.value - edge) <= _OFF_LIMIT * abs(edge) else Verdict.WRONG


def _nearest_edge(claim: Claim, value: float) -> float:
    return claim.low if value < claim.low else claim.high


def _distance_text(claim: Claim, value: float) -> str:
    edge = _nearest_edge(claim, value)
    unit = {"%": "points", "times": ""}.get(claim.unit, claim.unit)
    side = "above" if value > edge else "below"
    text = f"{_with_unit(abs(value - edge), unit)} {side} the claim"
    larger, smaller = max(value, edge), min(value, edge)
    if claim.unit != "%" and smaller > 0 and larger / smaller >= 1.5:
        text += f" ({larger / smaller:.1f} times)"
    return text


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)}{'' if unit == '%' else ' '}{unit}".rstrip()


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


CLAIMS, RECIPE = parse_claims(_FILE.read_text(encoding="utf-8"))
