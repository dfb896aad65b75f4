"""The study's quantitative claims, each held against what is measured; the verdict is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from featherface.profiling.complexity import Cost
from featherface.profiling.pruning import tolerated_fraction
from featherface.study.measurements import Measurements
from featherface.study.provenance import Badge

__all__ = ["CLAIMS", "RECIPE", "AuditRow", "Claim", "Reading", "Verdict", "audit"]

_OFF_LIMIT = 0.10  # a claim further from the measurement than this share of itself is wrong, not merely off
_ABOUT = 0.10  # what "about" and "~" allow, as a share of the claim


class Verdict(StrEnum):
    """What the measurement says of a claim."""

    HOLDS = "holds"
    OFF = "off"
    WRONG = "wrong"
    UNSETTLED = "not settled"  # the interval reaches both inside and outside the claim, or was disturbed
    NOT_MEASURED = "not yet measured"


@dataclass(frozen=True)
class Reading:
    """A measured value with its interval, which is the value itself where it is exact, and how it was got."""

    value: float
    low: float
    high: float
    how: str
    caution: str = ""  # why not to trust it, if so
    badge: Badge = Badge.MEASURED


@dataclass(frozen=True)
class Claim:
    """A number of the study. It claims a value between `low` and `high`; `tolerance` is its rounding.

    `measure` gives None where the measurements do not hold what it needs; `why` explains a difference.
    """

    id: str
    quote: str
    where: str  # section of the notebook
    low: float
    high: float  # infinite where the claim is "at least"
    tolerance: float
    unit: str
    measure: Callable[[Measurements], Reading | None]
    why: str = ""
    is_target: bool = False  # the study hopes for it and says so


@dataclass(frozen=True)
class AuditRow:
    """One claim with its reading and verdict; `text` says both in a sentence."""

    claim: Claim
    reading: Reading | None
    verdict: Verdict
    text: str

    def as_record(self) -> Mapping[str, object]:
        """The row as plain values for JSON; an open upper end is None."""
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
    return tuple(_judge(claim, claim.measure(measurements)) for claim in CLAIMS)


def _judge(claim: Claim, reading: Reading | None) -> AuditRow:
    if reading is None:
        return AuditRow(claim, None, Verdict.NOT_MEASURED, "Not yet measured.")
    verdict = Verdict.UNSETTLED if reading.caution else _verdict(claim, reading)
    text = f"{reading.badge.value.capitalize()} {_number(reading.value)} {claim.unit}".rstrip()
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


def _verdict(claim: Claim, reading: Reading) -> Verdict:
    low, high = claim.low - claim.tolerance, claim.high + claim.tolerance
    if low <= reading.low and reading.high <= high:
        return Verdict.HOLDS
    if reading.high >= low and reading.low <= high:
        return Verdict.UNSETTLED
    distance = abs(reading.value - _nearest_edge(claim, reading.value))
    return Verdict.OFF if distance <= _OFF_LIMIT * abs(_nearest_edge(claim, reading.value)) else Verdict.WRONG


def _nearest_edge(claim: Claim, value: float) -> float:
    return claim.low if value < claim.low else claim.high


def _distance_text(claim: Claim, value: float) -> str:
    edge = _nearest_edge(claim, value)
    unit = {"%": "points"}.get(claim.unit, claim.unit)
    side = "above" if value > edge else "below"
    text = f"{_number(abs(value - edge))} {unit}".rstrip() + f" {side} the claim"
    larger, smaller = max(value, edge), min(value, edge)
    if claim.unit != "%" and smaller > 0 and larger / smaller >= 1.5:
        text += f" ({larger / smaller:.1f} times)"
    return text


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def _exact(value: float, how: str) -> Reading:
    return Reading(value, value, value, how)


def _parameters(key: str, group: str | None = None) -> Callable[[Measurements], Reading]:
    what = f"the {group} modules" if group else "the network"
    return lambda measured: _exact(
        measured.parameters(key, group) / 1000, f"summed the tensors of {what} of {key.upper()}"
    )


def _reduction(group: str | None = None) -> Callable[[Measurements], Reading]:
    what = group or "all parameters"
    return lambda measured: _exact(
        100 * (1 - measured.parameters("v2", group) / measured.parameters("v1", group)),
        f"1 - V2 / V1 of {what}, by the study's own grouping",
    )


def _speed_up(measured: Measurements) -> Reading | None:
    found = measured.speed_up
    if found is None:
        return None
    settings = measured.latency.settings
    how = (
        f"median of V1 over median of V2, {settings.runs} interleaved rounds at {settings.width} x "
        f"{settings.height}, {settings.threads} threads, 95 % bootstrap interval"
    )
    caution = "The run was noisy: repeat it on an idle machine." if measured.noise.noisy else ""
    return Reading(found.ratio, found.low, found.high, how, caution)


def _mean_precision(key: str, scale: float) -> Callable[[Measurements], Reading | None]:
    def measure(measured: Measurements) -> Reading | None:
        accuracy = measured.models[key].accuracy
        if accuracy is None:
            return None
        how = (
            f"mean of easy {accuracy.easy:.3f}, medium {accuracy.medium:.3f} and hard {accuracy.hard:.3f}; "
            f"{accuracy.protocol}, {accuracy.images} pictures, {accuracy.source}"
        )
        return replace(_exact(scale * accuracy.mean, how), badge=accuracy.badge)

    return measure


def _macs_ratio(measured: Measurements) -> Reading:
    ratio = measured.models["v2"].cost.macs / measured.models["v1"].cost.macs
    return _exact(ratio, "MACs of V2 over MACs of V1, deformable convolutions counted")


def _reference(how: str) -> Callable[[Measurements], Reading]:
    return lambda _: _exact(1.0, how)


def _parameter_ratio(measured: Measurements) -> Reading:
    ratio = measured.parameters("v2") / measured.parameters("v1")
    return _exact(ratio, "parameters of V2 over parameters of V1")


def _efficiency_ratio(measured: Measurements) -> Reading | None:
    first, second = measured.models["v1"], measured.models["v2"]
    if first.accuracy is None or second.accuracy is None:
        return None
    ratio = (second.accuracy.mean / second.cost.macs) / (first.accuracy.mean / first.cost.macs)
    return _exact(ratio, "mean average precision per MAC, V2 over V1")


def _flops_over_label(key: str) -> Callable[[Measurements], Reading]:
    def measure(measured: Measurements) -> Reading:
        cost: Cost = measured.models[key].cost
        labelled = cost.study_macs
        return _exact(cost.flops / labelled, "true FLOPs over the number that the study's code labels FLOPs")

    return measure


def _stored_reduction(measured: Measurements) -> Reading:
    first, second = measured.models["v1"].stored_bytes, measured.models["v2"].stored_bytes
    return _exact(
        100 * (1 - second / first), f"bytes of the float32 tensors: {second:,} of V2, {first:,} of V1"
    )


def _int8_kilobytes(measured: Measurements) -> Reading:
    size = measured.models["v2"].int8
    return _exact(
        size.total_bytes / 1000,
        f"quantised V2 per channel and counted bytes: {size.weight_bytes:,} of int8 weights, "
        f"{size.scale_bytes:,} of scales, {size.kept_bytes:,} of float32; "
        f"{size.compressed_bytes:,} through zlib",
    )


def _prunable(measured: Measurements) -> Reading | None:
    curve = measured.models["v2"].pruning
    if not curve:
        return None
    return _exact(
        100 * tolerated_fraction(curve),
        "largest share of the smallest weights that can be zeroed for at most 0.01 of average precision",
    )


_SUMMARY, _RADAR, _FINDINGS, _FURTHER = (
    "Summary of Optimizations",
    "9. Performance Metrics Summary",
    "10. Key Findings",
    "10. Further Optimizations",
)
_AT_LEAST = float("inf")
_WHY_CBAM = (
    "Only the spatial gates are shared; each level keeps a channel gate of its own, which is most of CBAM."
)
_WHY_MAP = (
    "The study does not say which subset or average it means; the publication of V1 gives 92.7, 90.7 and "
    "78.3, which is 87.2 on average."
)
_WHY_FLOPS = (
    "The figure was typed in as estimated; thop, which the study runs, does not see deformable products."
)

CLAIMS: tuple[Claim, ...] = (
    Claim("v1-parameters", "V1: 0.592M parameters", _SUMMARY, 592, 592, 0.5, "thousand", _parameters("v1")),
    Claim("v2-parameters", "V2: 0.256M parameters", _SUMMARY, 256, 256, 0.5, "thousand", _parameters("v2")),
    Claim(
        "reduction",
        "56.7% reduction",
        f"{_SUMMARY}; 10. Key Findings",
        56.7,
        56.7,
        0.05,
        "%",
        _reduction(),
        "Cut instead of rounded: the notebook's own code prints 56.8 %.",
    ),
    Claim(
        "target-map",
        "Maintain 92%+ mAP on WIDERFace",
        f"{_SUMMARY}; 10. Key Findings",
        92,
        _AT_LEAST,
        0,
        "%",
        _mean_precision("v2", 100),
        _WHY_MAP,
        is_target=True,
    ),
    Claim(
        "v1-flops-label",
        "FLOPs of V1 = macs of thop.profile",
        "2. Utility Functions; 5. FLOPs Analysis",
        1,
        1,
        0.005,
        "times",
        _flops_over_label("v1"),
        "thop returns multiply-accumulates, two FLOPs each, and misses V1's deformable convolutions.",
    ),
    Claim(
        "v2-flops-label",
        "FLOPs of V2 = macs of thop.profile",
        "2. Utility Functions; 5. FLOPs Analysis",
        1,
        1,
        0.005,
        "times",
        _flops_over_label("v2"),
        "thop returns multiply-accumulates, two FLOPs each.",
    ),
    Claim(
        "radar-parameters-v1",
        "Parameters (0.256/0.592): 0.43",
        _RADAR,
        0.43,
        0.43,
        0.005,
        "",
        _parameter_ratio,
    ),
    Claim(
        "radar-parameters-v2",
        "Parameters (reference): 1.0",
        _RADAR,
        1.0,
        1.0,
        0.05,
        "",
        _reference("V2 is the reference of this axis"),
    ),
    Claim("radar-flops-v1", "FLOPs (estimated): 0.5", _RADAR, 0.5, 0.5, 0.05, "", _macs_ratio, _WHY_FLOPS),
    Claim(
        "radar-flops-v2",
        "FLOPs (estimated improvement): 0.8",
        _RADAR,
        0.8,
        0.8,
        0.05,
        "",
        _reference("V2 has the fewest MACs and so is the reference, as on the axis of parameters"),
        _WHY_FLOPS,
    ),
    Claim(
        "radar-speed-v1",
        "Speed (baseline): 1.0",
        _RADAR,
        1.0,
        1.0,
        0.05,
        "",
        _reference("V1 is the baseline of this axis"),
    ),
    Claim(
        "radar-speed-v2",
        "Speed (1.5x faster): 1.5",
        _RADAR,
        1.5,
        1.5,
        0.05,
        "times",
        _speed_up,
        "The score was typed in before anything was timed.",
    ),
    Claim(
        "radar-accuracy-v1",
        "Accuracy (90.8% mAP): 0.91",
        _RADAR,
        0.91,
        0.91,
        0.005,
        "",
        _mean_precision("v1", 1),
        _WHY_MAP,
    ),
    Claim("v1-map", "90.8% mAP", _RADAR, 90.8, 90.8, 0.05, "%", _mean_precision("v1", 100), _WHY_MAP),
    Claim(
        "radar-accuracy-v2",
        "Accuracy (target 92%+): 0.92",
        _RADAR,
        0.92,
        0.92,
        0.005,
        "",
        _mean_precision("v2", 1),
        _WHY_MAP,
        is_target=True,
    ),
    Claim(
        "radar-efficiency",
        "Overall efficiency: 0.7 and 0.95",
        _RADAR,
        0.95 / 0.7,
        0.95 / 0.7,
        0.05,
        "times",
        _efficiency_ratio,
        "The study gives no formula; compared is V2 over V1, here of average precision per MAC.",
    ),
    Claim(
        "speed-up",
        "V2 is approximately 1.5-2x faster",
        "10. Key Findings; 10. Deployment Scenarios",
        1.5,
        2,
        0.05,
        "times",
        _speed_up,
        "The range was assumed before anything was timed.",
    ),
    Claim("bifpn-reduction", "BiFPN: 88.3% reduction", _FINDINGS, 88.3, 88.3, 0.05, "%", _reduction("BiFPN")),
    Claim(
        "bifpn-v1",
        "BiFPN: 112K",
        _FINDINGS,
        112,
        112,
        0.5,
        "thousand",
        _parameters("v1", "BiFPN"),
        "Cut instead of rounded.",
    ),
    Claim(
        "bifpn-v2",
        "BiFPN: 13K params",
        _FINDINGS,
        13,
        13,
        0.5,
        "thousand",
        _parameters("v2", "BiFPN"),
        "V2's two BiFPN cells hold twice as many.",
    ),
    Claim(
        "ssh-reduction",
        "SSH: 89.7% reduction",
        _FINDINGS,
        89.7,
        89.7,
        0.05,
        "%",
        _reduction("SSH"),
        "The study's own 247K and 7.2K give 97.1 %.",
    ),
    Claim("ssh-v1", "SSH: 247K", _FINDINGS, 247, 247, 0.5, "thousand", _parameters("v1", "SSH")),
    Claim("ssh-v2", "SSH: 7.2K params", _FINDINGS, 7.2, 7.2, 0.05, "thousand", _parameters("v2", "SSH")),
    Claim(
        "cbam-reduction",
        "CBAM: 88% reduction through weight sharing",
        _FINDINGS,
        88,
        88,
        0.5,
        "%",
        _reduction("CBAM"),
        _WHY_CBAM,
    ),
    Claim(
        "model-size",
        "57% smaller model size",
        "10. Deployment Scenarios",
        57,
        57,
        0.5,
        "%",
        _stored_reduction,
        "Batch norm's running statistics are stored too, and they shrink less than the weights.",
    ),
    Claim(
        "int8-size",
        "Quantization: ~64KB with INT8",
        _FURTHER,
        64,
        64,
        64 * _ABOUT,
        "kB",
        _int8_kilobytes,
        "256,156 parameters at a byte are 256 kB before scales and batch norm; 64 kB would be two bits each.",
    ),
    Claim(
        "pruning",
        "Pruning: Additional 10-20% reduction possible",
        _FURTHER,
        10,
        _AT_LEAST,
        0,
        "%",
        _prunable,
    ),
)

# settings that the study recommends: nothing to measure, listed so that none is missed
RECIPE: tuple[tuple[str, str], ...] = (
    ("Knowledge distillation with temperature T=4", "10. Recommendations"),
    ("MixUp and CutMix augmentations", "10. Recommendations"),
    ("400 epochs with cosine annealing", "10. Recommendations"),
    ("Confidence above 0.02, non-maximum suppression at IoU 0.4", "7. Face Detection Utility Functions"),
    ("Photos stretched to 640 x 640", "7. Face Detection Utility Functions"),
    ("100 timed runs after 10 to warm up", "6. Inference Speed Analysis"),
)
