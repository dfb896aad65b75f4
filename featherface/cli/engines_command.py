"""`featherface engines`: average precision through every engine and precision."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    Command,
    CommandError,
    add_measurement_options,
    measured_model,
    measurement_provenance,
)

if TYPE_CHECKING:
    from featherface.evaluation.engine_accuracy import EngineAccuracy

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_measurement_options(parser)
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the detections; an interrupted run continues with what it contains",
    )


def _run(arguments: argparse.Namespace) -> int:
    from featherface.evaluation.engine_accuracy import save_engine_accuracy

    for found in _measured(arguments):
        try:  # after each row, so that an interrupted run leaves those before
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            save_engine_accuracy(arguments.out, found)
        except OSError as error:
            raise CommandError(f"{arguments.out} cannot be written: {error.strerror}.") from error
    if arguments.json:
        print(arguments.out.read_text(encoding="utf-8"), end="")
    else:
        _print_rows(found, arguments.out)
    return 0


def _measured(arguments: argparse.Namespace) -> Iterator[EngineAccuracy]:
    """Yield the results so far after each way to run the model."""
    from featherface.evaluation.engine_accuracy import EngineAccuracy, measure_variants
    from featherface.evaluation.image_sets import manifest_images

    measured = measured_model(arguments, "This", "measure")
    found = EngineAccuracy(**measurement_provenance(arguments, measured), rows=())
    for row in measure_variants(
        measured.weights, manifest_images(measured.records), measured.truth, arguments.predictions
    ):
        found = replace(found, rows=(*found.rows, row))
        yield found


def _print_rows(found: EngineAccuracy, path: Path) -> None:
    from featherface.evaluation.paired_bootstrap import interval_text
    from featherface.models import MODELS

    print(f"{MODELS[found.model].name}: average precision, {found.image_set}")
    for row in found.rows:
        mean = row.comparison.mean
        subsets = "  ".join(f"{name} {one.second:.4f}" for name, one in row.comparison.subsets.items())
        change = "no interval" if mean.interval is None else interval_text(mean.interval)
        print(f"  {row.variant:<32}{row.file_bytes:>10,} bytes  {subsets}  mean change: 95% {change}")
    print(f"Saved: {path}")


COMMAND = Command(
    summary="measure average precision through every engine and precision",
    description="Measure the average precision of a model as every engine runs it: PyTorch, and the\n"
    "exported files in every precision, with the 95% paired bootstrap interval of the difference to PyTorch\n"
    "in float32.\n\n"
    "In weights/evaluation/engines/ the file is what the Deploy page and the claims audit read.\n\n"
    'JSON: {"model", "weights_sha256", "image_set", "date", "used_for_selection", "rows": [{"variant",\n'
    '  "engine_version", "file_bytes", "comparison": {"protocol", "images", "subsets", "mean"}}, ...]},\n'
    "  as in the file.",
    add_options=_add_options,
    run=_run,
)
