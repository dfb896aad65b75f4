"""`featherface study`: the whole study, written to a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import Command, CommandError, add_threads_option, finished_points
from featherface.config import WEIGHTS_DIR

if TYPE_CHECKING:
    from featherface.study.measurements import Accuracy

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="15 timed rounds instead of 100")
    add_threads_option(parser)
    parser.add_argument(
        "--curves",
        type=Path,
        metavar="FILE",
        help="average precision saved by `featherface evaluate --curves` (default: the shipped evaluations)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from featherface.profiling.latency import benchmark
    from featherface.study import summary as study
    from featherface.study.claims import audit
    from featherface.study.results import load_networks, shipped_accuracies

    accuracies = _accuracies(arguments.curves) if arguments.curves else shipped_accuracies(WEIGHTS_DIR)
    arguments.out.mkdir(parents=True, exist_ok=True)  # before minutes of measuring
    networks, weights = load_networks(WEIGHTS_DIR)
    results = finished_points(benchmark(networks, [study.rounds(arguments.threads, quick=arguments.quick)]))
    measurements = study.measure(networks, weights, results[0] if results else None, accuracies)
    path = study.write(measurements, arguments.out)
    if arguments.json:
        print(path.read_text(encoding="utf-8"), end="")
        return 0
    for row in audit(measurements):
        print(f"{row.verdict:<17}{row.claim.quote}: {row.text}")
    print(f"Written to {path}.")
    return 0


def _accuracies(path: Path) -> dict[str, Accuracy]:
    """Read average precision by model from a curves file."""
    from featherface.evaluation.curves import load_curves
    from featherface.study.results import accuracy

    accuracies = {}
    for saved in load_curves(path):
        found = accuracy(saved)
        if found is None:
            raise CommandError(f"{path} lacks easy, medium or hard average precision of {saved.model}.")
        accuracies[saved.model] = found
    return accuracies


COMMAND = Command(
    summary="repeat the study and write its results",
    description="Repeat the study: count, measure and compare the models. Writes comparison_summary.json\n"
    "with the notebook's fields, everything measured, the claims audit, the radar and the\n"
    "recommendations; --json prints the same document.",
    add_options=_add_options,
    run=_run,
)
