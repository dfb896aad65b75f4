"""`featherface label`: label the images of a manifest with a detector run at several scales."""

from __future__ import annotations

import argparse
from pathlib import Path

from featherface.cli.common import Command, CommandError, chosen_weights, model_keys, print_json
from featherface.config import MAX_INPUT_PIXELS

__all__ = ["COMMAND"]

_DEFAULT_SCALES = (0.5, 1.0, 2.0)
_SCALE_RANGE = (0.1, 4.0)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="JSONL manifest, its zips beside it")
    parser.add_argument(
        "--scales",
        nargs="+",
        type=float,
        default=_DEFAULT_SCALES,
        metavar="S",
        help="image scales; 1 is the original size (default: 0.5 1 2)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="manifest with the new labels"
    )
    parser.add_argument("--source", metavar="NAME", help="label only the images of this source")
    parser.add_argument("--model", metavar="MODEL", help="the detector (default: the first one)")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="checkpoint of that model (default: the shipped weights)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from featherface.checkpoints import load_network
    from featherface.detection.detector import Detector
    from featherface.engines.choice import load_engine
    from featherface.evaluation.manifest import read_manifest
    from featherface.models import MODELS
    from featherface.serving.model_service import ModelService
    from featherface.training.labelling import label_manifest

    low, high = _SCALE_RANGE
    if not all(low <= scale <= high for scale in arguments.scales):
        raise CommandError(f"--scales must be from {low} to {high}.")
    keys = list(MODELS)[:1] if arguments.model is None else model_keys(arguments.model)
    if len(keys) != 1:
        raise CommandError("Labelling needs one model; choose it with --model.")
    own = {} if arguments.weights is None else {keys[0]: arguments.weights}
    weights = chosen_weights(ModelService(), keys, own)[keys[0]]
    records = read_manifest(arguments.manifest, arguments.source)
    labelled = label_manifest(
        Detector(load_engine(load_network(MODELS[weights.key], weights.path, weights.sha256))),
        records,
        arguments.out,
        scales=arguments.scales,
        run={"model": weights.key, "weights_sha256": weights.sha256},
    )
    images = len(records) - labelled.unreadable
    if arguments.json:
        print_json(
            {
                "output": str(arguments.out),
                "images": images,
                "labelled_now": labelled.made,
                "unreadable": labelled.unreadable,
                "at_reduced_scales": labelled.reduced,
            }
        )
        return 0
    print(f"{arguments.out} has labels for {images:,} images, {labelled.made:,} of them made now.")
    if labelled.unreadable:
        print(f"{labelled.unreadable:,} images cannot be read and were left out.")
    if labelled.reduced:
        print(f"{labelled.reduced:,} images were too large for all scales and were labelled at lower ones.")
    return 0


COMMAND = Command(
    summary="label images for training with a detector run at several scales",
    description="Label the images of a manifest with a detector run at several scales, for training.\n\n"
    "Faces found at a higher scale than the original are often missed by a detector at the original size.\n"
    "A label with a score of at least 0.5 counts as a face; from 0.1 to 0.5 it counts neither as a face nor\n"
    f"as background. A pass has at most {MAX_INPUT_PIXELS / 1e6:.1f} megapixels; larger scales are reduced.\n"
    "An image that cannot be read is left out. An interrupted run continues where it stopped.\n\n"
    'JSON, when done: {"output": FILE, "images": N, "labelled_now": N, "unreadable": N,\n'
    ' "at_reduced_scales": N}',
    add_options=_add_options,
    run=_run,
)
