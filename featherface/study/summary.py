"""The whole study in one go: measure both models and write `comparison_summary.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from torch import nn

from featherface.config import DEFAULT_SIDE
from featherface.files import write_files
from featherface.profiling.complexity import cost
from featherface.profiling.latency import LatencyResult, LatencySettings, summary
from featherface.profiling.machine import now, this_machine
from featherface.profiling.quantisation import quantised_size, stored_bytes
from featherface.study.claims import RECIPE, audit
from featherface.study.headlines import headlines
from featherface.study.measurements import Accuracy, Measurements, ModelMeasurements
from featherface.study.radar import radar
from featherface.study.recommendations import recommendations

__all__ = ["SUMMARY_FILE", "measure", "record", "rounds", "write"]

SUMMARY_FILE = "comparison_summary.json"  # the notebook's name for it


def rounds(threads: int, *, quick: bool) -> LatencySettings:
    """The benchmark of the study, 100 runs after 10 to warm up, or a short one."""
    runs, warmup = (15, 3) if quick else (100, 10)
    return LatencySettings(threads=threads, runs=runs, warmup=warmup)


def measure(
    networks: Mapping[str, nn.Module],
    weights: Mapping[str, str],
    latency: LatencyResult | None,
    accuracies: Mapping[str, Accuracy],
) -> Measurements:
    """Count and quantise the networks and put it together with what was timed and scored.

    `weights` says in words which weights each network has; `accuracies` may lack models.
    """
    models = {
        key: ModelMeasurements(
            cost=cost(key, DEFAULT_SIDE),
            stored_bytes=stored_bytes(network),
            int8=quantised_size(network),
            weights=weights[key],
            accuracy=accuracies.get(key),
        )
        for key, network in networks.items()
    }
    return Measurements(now(), this_machine(), models, latency)


def record(measurements: Measurements) -> Mapping[str, object]:
    """The notebook's fields under their names and, beside them, everything measured with its provenance."""
    latency = measurements.latency
    times = {key: summary(latency, key) for key in measurements.models} if latency else {}
    counts = {key: model.cost.parameters for key, model in measurements.models.items()}
    return {
        "execution_date": datetime.fromisoformat(measurements.when).strftime("%Y-%m-%d %H:%M:%S"),
        "v1_parameters": counts["v1"],
        "v2_parameters": counts["v2"],
        "parameter_reduction": f"{100 * (1 - counts['v2'] / counts['v1']):.1f}%",
        "speed_improvement": latency and f"{measurements.speed_up.ratio:.2f}x",
        "v1_inference_time_ms": latency and times["v1"].median,
        "v2_inference_time_ms": latency and times["v2"].median,
        "device": "cpu",
        "measured": {
            "when": measurements.when,
            "machine": asdict(measurements.machine),
            "models": {key: asdict(model) for key, model in measurements.models.items()},
            "latency": latency and latency.as_record(),
            "latency_summary": {key: asdict(found) for key, found in times.items()},
            "speed_up": latency and asdict(measurements.speed_up),
            "noise": latency and asdict(measurements.noise),
            "headlines": [asdict(row) for row in headlines(measurements)],
            "radar": asdict(radar(measurements)),
        },
        "claims": [row.as_record() for row in audit(measurements)],
        "recipe": [{"setting": setting, "where": where} for setting, where in RECIPE],
        "recommendations": [asdict(row) for row in recommendations(measurements)],
    }


def write(measurements: Measurements, folder: Path) -> Path:
    """Write the record to `folder`, which is made if need be, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SUMMARY_FILE
    write_files({path: f"{json.dumps(record(measurements), indent=2)}\n".encode()})
    return path
