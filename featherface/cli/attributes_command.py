"""`featherface attributes`: average precision and recall by attributes of faces."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherface.cli.common import Command, CommandError, print_json
from featherface.config import DEFAULT_CONFIDENCE

if TYPE_CHECKING:
    import numpy as np

    from featherface.evaluation.ground_truth import GroundTruth
    from featherface.robustness.attribute_slices import Attribute, Slice
    from featherface.robustness.labelled_stress import Estimate
    from featherface.robustness.robustness_results import SavedSlices

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--predictions",
        action="append",
        required=True,
        type=Path,
        metavar="FILE",
        help="detections saved by evaluate --predictions, with FILE.run.json beside it; repeat for "
        "more models",
    )
    parser.add_argument(
        "--ground-truth",
        type=Path,
        metavar="DIR",
        required=True,
        help="folder of the official wider_*_val.mat files",
    )
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="FILE.csv",
        help="groups of your own in place of the WIDER FACE attributes: a CSV file with the columns image "
        "(EVENT/NAME.jpg), --column and, optionally, face (its number in the ground truth, from 1)",
    )
    parser.add_argument("--column", metavar="NAME", help="the column of --groups that names the group")
    parser.add_argument(
        "--conf",
        type=float,
        default=DEFAULT_CONFIDENCE,
        metavar="SCORE",
        help="confidence threshold of recall (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="save the results as JSON")
    parser.add_argument(
        "--image-set", default="WIDER FACE", metavar="NAME", help="what the saved file calls these images"
    )
    parser.add_argument(
        "--used-for-selection",
        action="store_true",
        help="note in the saved file that these images were also used to choose the checkpoints",
    )


def _run(arguments: argparse.Namespace) -> int:
    from featherface.evaluation.ground_truth import wider_ground_truth
    from featherface.robustness.robustness_results import save_slices, slice_entry

    if (arguments.groups is None) != (arguments.column is None):
        raise CommandError("Pass --groups and --column together.")
    if not 0 <= arguments.conf <= 1:
        raise CommandError(f"--conf must be between 0 and 1, not {arguments.conf}.")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)  # fails before hours of work
    truth = wider_ground_truth(arguments.ground_truth)
    attributes, ignore = _attributes(arguments, truth)
    results = [_scored(arguments, path, truth, attributes, ignore) for path in arguments.predictions]
    if arguments.out:
        save_slices(arguments.out, results)
    if arguments.json:
        print_json({saved.model: [slice_entry(one) for one in saved.slices] for saved in results})
    else:
        for saved in results:
            _print_slices(saved)
    return 0


def _attributes(
    arguments: argparse.Namespace, truth: GroundTruth
) -> tuple[Sequence[Attribute], Mapping[str, np.ndarray]]:
    """Return the attributes to score, and by image which faces are invalid."""
    from featherface.robustness.attribute_slices import csv_attribute, wider_attributes

    official = wider_attributes(arguments.ground_truth)
    (invalid,) = (attribute for attribute in official if attribute.ignored_too)
    ignore = {name: labels != 0 for name, labels in invalid.labels.items()}
    if arguments.groups is None:
        return official, ignore
    faces = {name: len(found.boxes) for name, found in truth.images.items()}
    groups: Path = arguments.groups
    return [csv_attribute(groups.read_bytes(), groups.name, arguments.column, faces)], ignore


def _scored(
    arguments: argparse.Namespace,
    path: Path,
    truth: GroundTruth,
    attributes: Sequence[Attribute],
    ignore: Mapping[str, np.ndarray],
) -> SavedSlices:
    from featherface.evaluation.predictions import read_predictions
    from featherface.profiling.machine import now
    from featherface.robustness.attribute_slices import score_slices
    from featherface.robustness.robustness_results import SavedSlices

    made_by = _run_record(path)
    predictions = read_predictions(path)
    part = truth.only(prediction.image for prediction in predictions)
    boxes = {name: faces.boxes for name, faces in part.images.items()}
    return SavedSlices(
        model=str(made_by["model"]),
        weights_sha256=str(made_by["weights_sha256"]),
        image_set=arguments.image_set,
        images=len(predictions),
        confidence=arguments.conf,
        date=now(),
        used_for_selection=arguments.used_for_selection,
        slices=tuple(score_slices(predictions, boxes, ignore, attributes, arguments.conf)),
    )


def _run_record(path: Path) -> dict[str, Any]:
    """Return what made a predictions file: the record that `evaluate --predictions` keeps beside it."""
    record = path.with_name(f"{path.name}.run.json")
    try:
        made_by = json.loads(record.read_bytes())
        if not {"model", "weights_sha256"} <= made_by.keys():
            raise ValueError("it names no model")
    except (OSError, ValueError, AttributeError) as error:
        raise CommandError(
            f"{record} does not say which model made {path.name}; make it with evaluate --predictions."
        ) from error
    return dict(made_by)


def _print_slices(saved: SavedSlices) -> None:
    from featherface.models import MODELS

    name = MODELS[saved.model].name if saved.model in MODELS else saved.model
    print(f"{name}: {saved.image_set}, {saved.images:,} images, recall at confidence {saved.confidence:g}")
    print(f"  {'attribute':<14}{'value':<14}{'height':<14}{'faces':>7}  {'AP':<28}recall")
    for one in saved.slices:
        print(f"  {one.attribute:<14}{one.value:<14}{one.band:<14}{one.faces:>7,}  {_scores(one)}")


def _scores(one: Slice) -> str:
    if one.average_precision is None or one.recall is None:
        return one.suppressed
    return f"{_text(one.average_precision):<28}{_text(one.recall)}"


def _text(estimate: Estimate) -> str:
    if estimate.interval is None:
        return f"{estimate.value:.4f}"
    return "{:.4f}  95% {:.3f} to {:.3f}".format(estimate.value, *estimate.interval)


COMMAND = Command(
    summary="measure average precision by blur, occlusion and other attributes of faces",
    description="Measure average precision (AP) and recall by attribute, within bands of face height.\n\n"
    "Works on saved detections, without a network. The attributes are those of WIDER FACE: blur, occlusion,\n"
    "illumination, pose, expression and invalid. With --groups, a column of your own gives the same table.\n"
    "Slices with faces in fewer than ten images are not scored. False positives are shared by the values\n"
    "of an attribute, so rare values have a lower AP: compare models within a slice.\n\n"
    'JSON: {MODEL: [{"attribute", "value", "band", "faces", "images", "average_precision", "recall",\n'
    '"suppressed"}, ...], ...}; the two scores are null or {"value", "interval", "no_interval"}.',
    add_options=_add_options,
    run=_run,
)
