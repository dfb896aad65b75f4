"""`featherface prune`: average precision of a model without its smallest weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    ALL_MODELS,
    Command,
    CommandError,
    add_measurement_options,
    image_set_name,
    model_keys,
)

if TYPE_CHECKING:
    from featherface.study.pruning_curve import PruningCurve

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_measurement_options(parser)


def _run(arguments: argparse.Namespace) -> int:
    from featherface.study.pruning_curve import save_pruning_curve

    if arguments.model == ALL_MODELS:
        raise CommandError("Pruning measures one model; pass its key with --model.")
    if arguments.every < 1:
        raise CommandError("--every must be at least 1.")
    (key,) = model_keys(arguments.model)
    curve = _measured(arguments, key)
    save_pruning_curve(arguments.out, curve)
    if arguments.json:
        print(arguments.out.read_text(encoding="utf-8"), end="")
    else:
        _print_curve(curve, arguments.out)
    return 0


def _measured(arguments: argparse.Namespace, key: str) -> PruningCurve:
    from featherface.checkpoints import load_network, shipped_weights
    from featherface.config import weights_folder
    from featherface.evaluation.ground_truth import manifest_ground_truth, wider_ground_truth
    from featherface.evaluation.image_sets import manifest_images
    from featherface.evaluation.manifest import read_manifest
    from featherface.models import MODELS
    from featherface.profiling.machine import now
    from featherface.study.pruning_curve import PruningCurve, measure_pruning

    weights = shipped_weights(MODELS[key], weights_folder())
    if weights is None:
        raise CommandError(f"{MODELS[key].name} has no trained weights, so there is nothing to prune.")
    records = read_manifest(arguments.manifest, arguments.source)[:: arguments.every]
    official = arguments.ground_truth is not None
    truth = wider_ground_truth(arguments.ground_truth) if official else manifest_ground_truth(records)
    network = load_network(MODELS[key], weights.path, weights.sha256)
    whole, scores = measure_pruning(network, manifest_images(records), truth)
    return PruningCurve(
        model=key,
        weights_sha256=weights.sha256,
        image_set=image_set_name(arguments),
        images=len(records),
        protocol=truth.protocol,
        date=now(),
        used_for_selection=arguments.used_for_selection,
        whole=whole,
        scores=scores,
    )


def _print_curve(curve: PruningCurve, path: Path) -> None:
    from featherface.models import MODELS
    from featherface.study.pruning_curve import TOLERATED_LOSS, tolerated_shares

    print(f"{MODELS[curve.model].name}: mean average precision, {curve.protocol}, {curve.images:,} images")
    print(f"  unpruned  {curve.whole:.4f}")
    for point in curve.scores:
        low, high = point.interval
        print(f"  {point.share:<8.0%}  {point.score:.4f}  change: 95% {low:+.3f} to {high:+.3f}")
    tolerated, _ = tolerated_shares(curve)
    print(f"Largest share with a loss below {TOLERATED_LOSS}: {tolerated:.0%}")
    print(f"Saved: {path}")


COMMAND = Command(
    summary="measure average precision without the smallest weights",
    description="Measure the mean average precision of a model with its smallest weights set to zero, and\n"
    "the 95% paired bootstrap interval of the change. Nothing is retrained.\n\n"
    "In weights/evaluation/pruning/ the file is what the claims audit reads.\n\n"
    'JSON: {"model", "weights_sha256", "image_set", "images", "protocol", "date", "used_for_selection",\n'
    '  "whole": AP, "scores": [{"share", "score", "interval": [LOW, HIGH]}, ...]}, as in the file.',
    add_options=_add_options,
    run=_run,
)
