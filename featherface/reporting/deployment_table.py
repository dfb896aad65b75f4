"""The Deploy page's table: one row per model, engine and precision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from featherface.evaluation.engine_accuracy import VariantAccuracy
from featherface.evaluation.paired_bootstrap import Difference, difference_text, interval_text
from featherface.export.variants import Variant
from featherface.models import MODELS
from featherface.profiling.deployment import Deployment
from featherface.profiling.latency import noise, summary

__all__ = ["MEAN", "DeploymentRow", "deployment_table"]

MEAN = "mean"  # of the subsets of the images


@dataclass(frozen=True)
class DeploymentRow:
    """What is known of one way to run a model; None where it has not been measured."""

    model: str  # key in MODELS
    variant: Variant
    measured: Deployment | None = None  # on this machine
    accuracy: VariantAccuracy | None = None  # shipped with the weights


def deployment_table(rows: Iterable[DeploymentRow], subset: str = MEAN) -> pd.DataFrame:
    """Return one row per way to run a model, with the average precision on `subset`; empty where unknown."""
    return pd.DataFrame([_row(row, subset) for row in rows])


def _row(row: DeploymentRow, subset: str) -> dict[str, object]:
    entry, variant, measured = MODELS[row.model], row.variant, row.measured
    return {
        "Model": entry.short_name,
        "Engine": variant.engine_name,
        "Precision": variant.precision.value,
        "Latency and memory": _result(measured),
        "File size (MB)": _file_bytes(row) / 1e6 if _file_bytes(row) else None,
        **_speed(measured, row.model),
        **_accuracy(row.accuracy, subset),
        **_parity(measured),
        "File": variant.file_name(row.model, entry.weights),
        "Command": variant.command(row.model) or "none: it is the weights file",
    }


def _result(measured: Deployment | None) -> str:
    if measured is None:
        return "Not measured yet"
    if measured.refused:
        return f"Refused because: {measured.refused}"
    assert measured.latency is not None
    return "Measured, noisy" if noise(measured.latency).noisy else "Measured"


def _file_bytes(row: DeploymentRow) -> int:
    if row.measured is not None and row.measured.file_bytes:
        return row.measured.file_bytes
    return row.accuracy.file_bytes if row.accuracy else 0


def _speed(measured: Deployment | None, model: str) -> dict[str, float | None]:
    columns: dict[str, float | None] = dict.fromkeys(
        ("Load (ms)", "p50 (ms)", "p95 (ms)", "p99 (ms)", "Images/s", "Peak memory (MB)")
    )
    if measured is None or measured.latency is None:
        return columns
    found = summary(measured.latency, model)
    values = (
        measured.load_milliseconds,
        *(found.median, found.p95, found.p99, found.frames_per_second),
        measured.peak_bytes / 1e6 or None,
    )
    return dict(zip(columns, values, strict=True))


def _accuracy(accuracy: VariantAccuracy | None, subset: str) -> dict[str, object]:
    score, change = f"AP, {subset}", "AP difference to float32"
    found = accuracy and _difference(accuracy, subset)
    if not found:
        return {score: None, change: ""}
    if found.interval is None:
        return {score: found.second, change: difference_text(found.difference)}
    interval = f"({interval_text(found.interval)})"
    return {score: found.second, change: f"{difference_text(found.difference)} {interval}"}


def _difference(accuracy: VariantAccuracy, subset: str) -> Difference | None:
    comparison = accuracy.comparison
    return comparison.mean if subset == MEAN else comparison.subsets.get(subset)


def _parity(measured: Deployment | None) -> dict[str, float | None]:
    names = "Faces gained", "Faces lost", "Largest box drift (px)"
    if measured is None or measured.parity is None:
        return dict.fromkeys(names)
    parity = measured.parity
    return dict(zip(names, (parity.gained, parity.lost, parity.box_drift), strict=True))
