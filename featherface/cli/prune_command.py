"""`featherface prune`: what a model loses without its smallest weights, and what training gives back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    Command,
    add_measurement_options,
    measured_model,
    measurement_provenance,
)

if TYPE_CHECKING:
    from featherface.study.pruned_training import PrunedTraining
    from featherface.study.pruning_curve import PruningCurve

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_measurement_options(parser)
    parser.add_argument(
        "--trained",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="measure these weights, which `featherface train` made by a recipe with [pruning], instead of "
        "the curve; may be repeated",
    )


def _run(arguments: argparse.Namespace) -> int:
    from featherface.study.pruned_training import save_pruned_training
    from featherface.study.pruning_curve import save_pruning_curve

    if arguments.trained:
        found = _measured_training(arguments)
        save_pruned_training(arguments.out, found)
        lines = _training_lines(found)
    else:
        curve = _measured(arguments)
        save_pruning_curve(arguments.out, curve)
        lines = _curve_lines(curve)
    if arguments.json:
        print(arguments.out.read_text(encoding="utf-8"), end="")
    else:
        print("\n".join((*lines, f"Saved: {arguments.out}")))
    return 0


def _measured_training(arguments: argparse.Namespace) -> PrunedTraining:
    from featherface.evaluation.image_sets import manifest_images
    from featherface.profiling.latency import LatencySettings
    from featherface.study.pruned_training import PrunedTraining, measure_pruned_training

    measured = measured_model(arguments, "Pruning", "prune")
    networks = measure_pruned_training(
        measured.weights,
        arguments.trained,
        manifest_images(measured.records),
        measured.truth,
        LatencySettings(),
    )
    return PrunedTraining(
        **measurement_provenance(arguments, measured),
        images=len(measured.records),
        protocol=measured.truth.protocol,
        **vars(networks),
    )


def _training_lines(found: PrunedTraining) -> list[str]:
    from featherface.evaluation.paired_bootstrap import interval_text
    from featherface.models import MODELS

    title = f"{MODELS[found.model].name}: mean average precision, {found.protocol}, {found.images:,} images"
    lines = [title, f"  whole: {found.whole:.4f}, {found.whole_bytes:,} bytes"]
    lines += [
        f"  {row.share:.0%} of the {row.of}: {row.before:.4f}, after {row.steps} steps {row.after:.4f}; "
        f"change: 95% {interval_text(row.interval)}; {row.file_bytes:,} bytes; "
        f"{row.times_faster:.2f}x as fast: 95% {row.times_faster_interval[0]:.2f} to "
        f"{row.times_faster_interval[1]:.2f}"
        for row in found.rows
    ]
    return lines


def _measured(arguments: argparse.Namespace) -> PruningCurve:
    from featherface.checkpoints import load_network
    from featherface.evaluation.image_sets import manifest_images
    from featherface.models import MODELS
    from featherface.study.pruning_curve import PruningCurve, measure_pruning

    measured = measured_model(arguments, "Pruning", "prune")
    weights = measured.weights
    network = load_network(MODELS[weights.key], weights.path, weights.sha256)
    whole, scores = measure_pruning(network, manifest_images(measured.records), measured.truth)
    return PruningCurve(
        **measurement_provenance(arguments, measured),
        images=len(measured.records),
        protocol=measured.truth.protocol,
        whole=whole,
        scores=scores,
    )


def _curve_lines(curve: PruningCurve) -> list[str]:
    from featherface.evaluation.paired_bootstrap import interval_text
    from featherface.models import MODELS
    from featherface.study.pruning_curve import TOLERATED_LOSS, tolerated_shares

    title = f"{MODELS[curve.model].name}: mean average precision, {curve.protocol}, {curve.images:,} images"
    lines = [title, f"  unpruned  {curve.whole:.4f}"]
    for point in curve.scores:
        change = interval_text(point.interval)
        lines.append(f"  {point.share:<8.0%}  {point.score:.4f}  change: 95% {change}")
    tolerated, _ = tolerated_shares(curve)
    return [*lines, f"Largest share with a loss below {TOLERATED_LOSS}: {tolerated:.0%}"]


COMMAND = Command(
    summary="measure average precision without the smallest weights",
    description="Measure the mean average precision of a model with its smallest weights set to zero, and\n"
    "the 95% paired bootstrap interval of the change. Nothing is retrained.\n\n"
    "With --trained: networks whose weights or channels were pruned and that were trained since, before and\n"
    "after that training; the bytes of the ONNX file and the latency without the removed channels.\n\n"
    "In weights/evaluation/pruning/ or, with --trained, pruned_training/, the file is what the claims audit\n"
    "reads.\n\n"
    'JSON: {"model", "weights_sha256", "image_set", "images", "protocol", "date", "used_for_selection",\n'
    '  "whole": AP, "scores": [{"share", "score", "interval": [LOW, HIGH]}, ...]}, as in the file.',
    add_options=_add_options,
    run=_run,
)
