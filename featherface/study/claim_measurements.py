"""How each of the study's claims is measured: a table from the names in claims.toml to functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from featherface.engines.choice import ENGINES
from featherface.evaluation.paired_bootstrap import interval_text
from featherface.profiling.latency import noise, speed_up
from featherface.study.measurements import SELECTION_REMARK, V1, V2, Measurements
from featherface.study.provenance import Badge
from featherface.study.pruned_training import PrunedTraining
from featherface.study.pruning_curve import TOLERATED_LOSS, tolerated_shares

__all__ = ["MEASUREMENTS", "Measurement", "Reading"]


@dataclass(frozen=True)
class Reading:
    """The value that a claim is compared with, its 95% interval (itself if exact) and its origin."""

    value: float
    low: float
    high: float
    how: str
    badge: Badge
    caution: str = ""  # why it is unreliable, if it is


Measurement = Callable[[Measurements, str, str], Reading | None]  # of a model and a group, "" where none


def _exact(value: float, how: str, badge: Badge = Badge.COUNTED) -> Reading:
    return Reading(value, value, value, how, badge)


def _estimated(
    value: float, interval: tuple[float, float] | None, scale: float, how: str, badge: Badge
) -> Reading:
    """Return a value of a sample of images; without an interval it cannot be judged."""
    low, high = interval or (value, value)
    caution = "" if interval else "There is no confidence interval."
    return Reading(scale * value, scale * low, scale * high, how, badge, caution)


def _parameters(measured: Measurements, model: str, group: str) -> Reading:
    what = f"the {group} modules" if group else "the network"
    count = measured.parameters(model, group or None)
    return _exact(count / 1000, f"sum of the tensors of {what} of {model.upper()}")


def _parameter_reduction(measured: Measurements, _: str, group: str) -> Reading:
    ratio = measured.parameters(V2, group or None) / measured.parameters(V1, group or None)
    return _exact(100 * (1 - ratio), f"1 - V2 / V1 of {group or 'all parameters'}, in the study's grouping")


def _parameter_ratio(measured: Measurements, _: str, __: str) -> Reading:
    return _exact(measured.parameters(V2) / measured.parameters(V1), "parameters of V2 / parameters of V1")


def _macs_ratio(measured: Measurements, _: str, __: str) -> Reading:
    ratio = measured.models[V2].cost.macs / measured.models[V1].cost.macs
    return _exact(ratio, "MACs of V2 / MACs of V1, deformable convolutions included")


def _flops_over_label(measured: Measurements, model: str, _: str) -> Reading:
    cost = measured.models[model].cost
    return _exact(cost.flops / cost.study_macs, "FLOPs / the number that the study's code calls FLOPs")


def _stored_reduction(measured: Measurements, _: str, __: str) -> Reading:
    first, second = measured.models[V1].stored_bytes, measured.models[V2].stored_bytes
    return _exact(
        100 * (1 - second / first), f"bytes of the float32 tensors: {second:,} of V2, {first:,} of V1"
    )


def _int8_size(measured: Measurements, model: str, _: str) -> Reading:
    """Read the bytes of the smallest int8 file that was scored, or else of the quantised weights alone."""
    size, files = measured.models[model].int8, measured.models[model].int8_files
    weights = (
        f"the weights of {model.upper()} quantised per channel take {size.total_bytes:,} bytes: "
        f"{size.weight_bytes:,} of int8, {size.scale_bytes:,} of scales, {size.kept_bytes:,} of float32; "
        f"{size.compressed_bytes:,} after zlib compression"
    )
    if not files:
        return _exact(size.total_bytes / 1000, weights)
    listed = ", ".join(f"{name} {count:,}" for name, count in files.items())
    return _exact(min(files.values()) / 1000, f"bytes of the exported int8 files: {listed}; {weights}")


def _reference(_: Measurements, model: str, __: str) -> Reading:
    return _exact(1.0, f"{model.upper()} is the reference of this axis, so its score is 1", Badge.DEFINITION)


def _speed_up(measured: Measurements, _: str, engine: str) -> Reading | None:
    """Read the speed-up in one engine, or in the default one."""
    latency = measured.latency_in(engine) if engine else measured.latency
    if latency is None:
        return None
    found, settings = speed_up(latency, V1, V2), latency.settings
    how = (
        f"median of V1 / median of V2, {latency.rounds} alternating rounds at {settings.width} × "
        f"{settings.height}, {settings.threads_text}, {ENGINES[settings.engine].name}, 95% bootstrap interval"
    )
    if latency.rounds < settings.runs:
        how += f"; stopped before the {settings.runs} rounds planned"
    caution = "The run was noisy; treat the result as unreliable." if noise(latency).noisy else ""
    return Reading(found.ratio, found.low, found.high, how, Badge.MEASURED, caution)


def _mean_precision(measured: Measurements, model: str, scale: float) -> Reading | None:
    accuracy = measured.models[model].accuracy
    if accuracy is None:
        return None
    how = (
        f"mean of easy {accuracy.easy:.3f}, medium {accuracy.medium:.3f} and hard {accuracy.hard:.3f}; "
        f"{accuracy.protocol}, {accuracy.images} images, {accuracy.source}"
    )
    if accuracy.mean_interval is not None:
        how += "; 95% bootstrap interval"
    if accuracy.used_for_selection:
        how += SELECTION_REMARK
    return _estimated(accuracy.mean, accuracy.mean_interval, scale, how, accuracy.badge)


def _efficiency_ratio(measured: Measurements, _: str, __: str) -> Reading | None:
    pair, comparison = measured.accuracies, measured.comparison
    if pair is None:
        return None
    per_mac = measured.models[V1].cost.macs / measured.models[V2].cost.macs
    ratio = pair[1].mean / pair[0].mean
    interval = comparison.mean.ratio_interval if comparison else None
    how = "mean average precision per MAC, V2 / V1"
    if interval is not None:
        how += "; 95% paired bootstrap interval"
    return _estimated(ratio, interval, per_mac, how, pair[0].badge)


def _tolerated_pruning(measured: Measurements, model: str, _: str) -> Reading | None:
    curve = measured.models[model].pruning
    if curve is None:
        return None
    scores = ", ".join(f"{point.score:.3f} at {point.share:.0%}" for point in curve.scores)
    how = (
        "largest share of the smallest weights that can be set to zero with a loss of mean average precision "
        f"below {TOLERATED_LOSS} by its 95% paired bootstrap interval (unpruned {curve.whole:.3f}; "
        f"{scores}), and the largest for which the interval does not exclude that; {curve.protocol}, "
        f"{curve.images} images ({curve.image_set})"
    )
    if curve.used_for_selection:
        how += SELECTION_REMARK
    tolerated, possible = tolerated_shares(curve)
    trained = measured.models[model].pruned_training
    if trained is not None:
        rows = trained.rows
        how += f". {_trained_pruning(trained)}"
        tolerated = max(tolerated, *(trained.reduction(row) for row in rows if row.tolerated), 0.0)
        possible = max(possible, *(trained.reduction(row) for row in rows if not row.refused), 0.0)
    return Reading(100 * tolerated, 100 * tolerated, 100 * possible, how, Badge.MEASURED)


def _trained_pruning(trained: PrunedTraining) -> str:
    """Return what training gave back to pruned networks, and what pruning saved."""
    sentences = [
        f"{row.share:.0%} of the {row.of} at zero, {trained.reduction(row):.0%} fewer parameters: "
        f"{row.before:.3f}, and {row.after:.3f} after {row.steps} training steps of {row.images_per_step} "
        f"images (95% change {interval_text(row.interval)}), "
        f"{row.file_bytes / 1e6:.2f} MB instead of {trained.whole_bytes / 1e6:.2f} MB in ONNX, "
        f"{row.times_faster:.2f} times as fast (95% {row.times_faster_interval[0]:.2f} to "
        f"{row.times_faster_interval[1]:.2f})"
        for row in trained.rows
    ]
    return f"{'; '.join(sentences)}; {trained.images} images ({trained.image_set})"


MEASUREMENTS: Mapping[str, Measurement] = MappingProxyType(
    {
        "parameters": _parameters,
        "parameter reduction": _parameter_reduction,
        "parameter ratio": _parameter_ratio,
        "MACs ratio": _macs_ratio,
        "FLOPs over labelled FLOPs": _flops_over_label,
        "stored size reduction": _stored_reduction,
        "int8 size": _int8_size,
        "reference": _reference,
        "speed-up": _speed_up,
        "mean average precision": lambda measured, model, _: _mean_precision(measured, model, 1),
        "mean average precision, %": lambda measured, model, _: _mean_precision(measured, model, 100),
        "efficiency ratio": _efficiency_ratio,
        "tolerated pruning": _tolerated_pruning,
    }
)
