"""`featherface attributes`: average precision and recall by attributes of faces."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherface.cli.common import (
    Command,
    CommandError,
    add_ground_truth_option,
    add_saved_set_options,
    print_json,
)
from featherface.config import DEFAULT_CONFIDENCE

if TYPE_CHECKING:
    import numpy as np

    from featherface.robustness.attribute_slices import Attribute, Slice
    from featherface.robustness.labelled_stress import Estimate
    from featherface.robustness.robustness_results import SavedSlices

    _ByImage = Mapping[str, np.ndarray]

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
    add_ground_truth_option(parser)
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="images of your own as JSON lines, with --groups"
    )
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="FILE.csv",
        help="groups of your own in place of the WIDER FACE attributes: a CSV file with the columns image "
        "(as in the detections), --column and, optionally, face (its number in the ground truth, from 1)",
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
    add_saved_set_options(parser, "WIDER FACE")


def _run(arguments: argparse.Namespace) -> int:
    from featherface.robustness.robustness_results import save_slices, slice_entry

    _check_options(arguments)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)  # fails before the work
    boxes, ignore = _manifest_faces(arguments) if arguments.manifest else _official_faces(arguments)
    attributes = _attributes(arguments, boxes)
    results = [_scored(arguments, path, boxes, ignore, attributes) for path in arguments.predictions]
    if arguments.out:
        save_slices(arguments.out, results)
    if arguments.json:
        print_json({saved.model: [slice_entry(one) for one in saved.slices] for saved in results})
    else:
        for saved in results:
            _print_slices(saved)
    return 0


def _check_options(arguments: argparse.Namespace) -> None:
    """Raise CommandError unless the options go together."""
    if (arguments.ground_truth is None) == (arguments.manifest is None):
        raise CommandError("Pass either --ground-truth or --manifest.")
    if (arguments.groups is None) != (arguments.column is None):
        raise CommandError("Pass --groups and --column together.")
    if arguments.manifest and arguments.groups is None:
        raise CommandError("--manifest needs --groups: a manifest has no attributes.")
    if not 0 <= arguments.conf <= 1:
        raise CommandError(f"--conf must be between 0 and 1, not {arguments.conf}.")


def _official_faces(arguments: argparse.Namespace) -> tuple[_ByImage, _ByImage]:
    """Return boxes (F, 4) and which faces are invalid (F,), by image, from the official files."""
    from featherface.evaluation.ground_truth import wider_face_labels, wider_ground_truth

    truth = wider_ground_truth(arguments.ground_truth)
    invalid = wider_face_labels(arguments.ground_truth, ["invalid"])["invalid"]
    boxes = {name: faces.boxes for name, faces in truth.images.items()}
    return boxes, {name: labels != 0 for name, labels in invalid.items()}


def _manifest_faces(arguments: argparse.Namespace) -> tuple[_ByImage, _ByImage]:
    """Return boxes (F, 4) and which faces to ignore (F,), by image, from a manifest."""
    from featherface.evaluation.ground_truth import image_name
    from featherface.evaluation.manifest import read_manifest

    records = {image_name(record): record for record in read_manifest(arguments.manifest)}
    boxes = {name: record.boxes.astype(float) for name, record in records.items()}
    return boxes, {name: record.ignore for name, record in records.items()}


def _attributes(arguments: argparse.Namespace, boxes: _ByImage) -> Sequence[Attribute]:
    from featherface.robustness.attribute_slices import csv_attribute, wider_attributes

    if arguments.groups is None:
        return wider_attributes(arguments.ground_truth)
    groups: Path = arguments.groups
    faces = {name: len(found) for name, found in boxes.items()}
    return [csv_attribute(groups.read_bytes(), groups.name, arguments.column, faces)]


def _scored(
    arguments: argparse.Namespace,
    path: Path,
    boxes: _ByImage,
    ignore: _ByImage,
    attributes: Sequence[Attribute],
) -> SavedSlices:
    from featherface.evaluation.predictions import read_predictions
    from featherface.profiling.machine import now
    from featherface.robustness.attribute_slices import score_slices
    from featherface.robustness.robustness_results import SavedSlices

    made_by = _run_record(path)
    predictions = read_predictions(path)
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
    "illumination, pose, expression and invalid. With --groups, a column of your own gives the same table,\n"
    "for WIDER FACE or, with --manifest, for images of your own.\n"
    "Slices with faces in fewer than ten images are not scored. False positives are shared by the values\n"
    "of an attribute, so rare values have a lower AP: compare models within a slice.\n\n"
    'JSON: {MODEL: [{"attribute", "value", "band", "faces", "images", "average_precision", "recall",\n'
    '"suppressed"}, ...], ...}; the two scores are null or {"value", "interval", "no_interval"}.',
    add_options=_add_options,
    run=_run,
)
