"""The whole study: measure both models and write `comparison_summary.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from torch import nn

from featherface.config import DEFAULT_INPUT_SIZE
from featherface.engines.choice import installed_engines
from featherface.evaluation.engine_accuracy import EngineAccuracy
from featherface.evaluation.paired_bootstrap import PrecisionComparison
from featherface.files import write_files
from featherface.profiling.complexity import cost
from featherface.profiling.latency import LatencyResult, LatencySettings, summary, variations
from featherface.profiling.machine import now, this_machine
from featherface.profiling.quantisation import quantised_size, stored_bytes
from featherface.study.claims import RECIPE, audit
from featherface.study.headlines import headlines
from featherface.study.measurements import (
    STUDY_MODELS,
    V1,
    V2,
    Accuracy,
    Measurements,
    ModelMeasurements,
)
from featherface.study.pruned_training import PrunedTraining
from featherface.study.pruning_curve import PruningCurve
from featherface.study.radar import radar
from featherface.study.recommendations import recommendations

__all__ = ["SUMMARY_FILE", "in_every_engine", "measure", "record", "rounds", "write"]

SUMMARY_FILE = "comparison_summary.json"  # the notebook's name for it


def in_every_engine(settings: LatencySettings) -> tuple[LatencySettings, ...]:
    """Return `settings`, and the same for every other installed engine."""
    return settings, *variations(
        settings, engines=[key for key in installed_engines() if key != settings.engine]
    )


def rounds(threads: int, *, quick: bool) -> LatencySettings:
    """Return the settings of the study's benchmark, 100 rounds after 10 warm-up rounds, or a short one."""
    runs, warmup = (15, 3) if quick else (100, 10)
    return LatencySettings(threads=threads, runs=runs, warmup=warmup)


def measure(
    networks: Mapping[str, nn.Module],
    weights: Mapping[str, str],
    latency: LatencyResult | None,
    accuracies: Mapping[str, Accuracy],
    comparison: PrecisionComparison | None = None,
    pruning: Mapping[str, PruningCurve] = MappingProxyType({}),
    engines: Mapping[str, EngineAccuracy] = MappingProxyType({}),
    latencies: tuple[LatencyResult, ...] = (),
    pruned_training: Mapping[str, PrunedTraining] = MappingProxyType({}),
) -> Measurements:
    """Count and quantise the study's two networks and add what was timed and scored.

    `weights` names each network's weights; `accuracies`, `pruning`, `pruned_training` and `engines` may lack
    models, and `comparison` is of the images that `accuracies` were measured on. `latency` is in the default
    engine, `latencies` are in others. Networks of further models are ignored.
    """
    models = {
        key: ModelMeasurements(
            cost=cost(key, DEFAULT_INPUT_SIZE),
            stored_bytes=stored_bytes(networks[key]),
            int8=quantised_size(networks[key]),
            weights=weights[key],
            accuracy=accuracies.get(key),
            pruning=pruning.get(key),
            pruned_training=pruned_training.get(key),
            engines=engines.get(key),
        )
        for key in STUDY_MODELS
    }
    return Measurements(now(), this_machine(), models, latency, comparison, latencies)


def record(measurements: Measurements) -> Mapping[str, object]:
    """Return the notebook's fields under their names, and everything measured with its provenance."""
    latency, speed_up, noise = measurements.latency, measurements.speed_up, measurements.noise
    times = {key: summary(latency, key) for key in measurements.models} if latency else {}
    counts = {key: model.cost.parameters for key, model in measurements.models.items()}
    return {
        "execution_date": datetime.fromisoformat(measurements.when).strftime("%Y-%m-%d %H:%M:%S"),
        "v1_parameters": counts[V1],
        "v2_parameters": counts[V2],
        "parameter_reduction": f"{100 * (1 - counts[V2] / counts[V1]):.1f}%",
        "speed_improvement": speed_up and f"{speed_up.ratio:.2f}x",
        "v1_inference_time_ms": times[V1].median if times else None,
        "v2_inference_time_ms": times[V2].median if times else None,
        "device": "cpu",
        "measured": {
            "when": measurements.when,
            "machine": asdict(measurements.machine),
            "models": {key: asdict(model) for key, model in measurements.models.items()},
            "latency": latency and latency.as_record(),
            "latency_in_other_engines": [found.as_record() for found in measurements.latencies],
            "latency_summary": {key: asdict(found) for key, found in times.items()},
            "speed_up": speed_up and asdict(speed_up),
            "noise": noise and asdict(noise),
            "accuracy_difference": measurements.comparison and asdict(measurements.comparison),
            "images_chose_checkpoints": bool(measurements.selection_note),
            "headlines": [asdict(row) for row in headlines(measurements)],
            "radar": asdict(radar(measurements)),
        },
        "claims": [row.as_record() for row in audit(measurements)],
        "recipe": [asdict(row) for row in RECIPE],
        "recommendations": [asdict(row) for row in recommendations(measurements)],
    }


def write(measurements: Measurements, folder: Path) -> Path:
    """Write the record to `folder`, created if absent, and return the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SUMMARY_FILE
    write_files({path: f"{json.dumps(record(measurements), indent=2)}\n".encode()})
    return path
