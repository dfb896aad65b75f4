"""`featherface prune`: average precision of a model without its smallest weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import Command, add_measurement_options, image_set_name, measured_model

if TYPE_CHECKING:
    from featherface.study.pruning_curve import PruningCurve

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_measurement_options(parser)


def _run(arguments: argparse.Namespace) -> int:
    from featherface.study.pruning_curve import save_pruning_curve

    curve = _measured(arguments)
    save_pruning_curve(arguments.out, curve)
    if arguments.json:
        print(arguments.out.read_text(encoding="utf-8"), end="")
    else:
        _print_curve(curve, arguments.out)
    return 0


def _measured(arguments: argparse.Namespace) -> PruningCurve:
    from featherface.checkpoints import load_network
    from featherface.evaluation.image_sets import manifest_images
    from featherface.models import MODELS
    from featherface.profiling.machine import now
    from featherface.study.pruning_curve import PruningCurve, measure_pruning

    measured = measured_model(arguments, "Pruning", "prune")
    weights = measured.weights
    network = load_network(MODELS[weights.key], weights.path, weights.sha256)
    whole, scores = measure_pruning(network, manifest_images(measured.records), measured.truth)
    return PruningCurve(
        model=weights.key,
        weights_sha256=weights.sha256,
        image_set=image_set_name(arguments),
        images=len(measured.records),
        protocol=measured.truth.protocol,
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
