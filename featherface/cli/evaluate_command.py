"""`featherface evaluate`: average precision on annotated images."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    ALL_MODELS,
    Command,
    CommandError,
    add_model_option,
    add_network_options,
    chosen_weights,
    model_keys,
    print_json,
)

if TYPE_CHECKING:
    from featherface.checkpoints import WeightsFile
    from featherface.detection.settings import DetectionSettings
    from featherface.evaluation.average_precision import Evaluation
    from featherface.evaluation.curves import SavedCurves
    from featherface.evaluation.ground_truth import GroundTruth
    from featherface.evaluation.image_sets import EncodedImage
    from featherface.evaluation.manifest import Record
    from featherface.evaluation.predictions import Prediction

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="images as EVENT/NAME.jpg, as in WIDER FACE"
    )
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="images and boxes as JSON lines")
    parser.add_argument("--source", metavar="NAME", help="only the images of this source in the manifest")
    parser.add_argument(
        "--ground-truth", type=Path, metavar="DIR", help="folder of the official wider_*_val.mat files"
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="save the detections, one JSON line per image; with --model all, one file per model: "
        "found.jsonl becomes found-MODEL.jsonl",
    )
    parser.add_argument(
        "--from-predictions", type=Path, metavar="FILE", help="score saved detections, without a network"
    )
    parser.add_argument(
        "--curves", type=Path, metavar="FILE", help="save the precision-recall curves as JSON"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="worker processes (default: one per CPU core, %(default)s here)",
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="use the workers of this Dask scheduler, as in tcp://HOST:8786"
    )
    add_network_options(parser, resize="original")


def _run(arguments: argparse.Namespace) -> int:
    from featherface.evaluation.manifest import read_manifest

    _check_options(arguments)
    records = read_manifest(arguments.manifest, arguments.source) if arguments.manifest else []
    truth = _ground_truth(arguments.ground_truth, records)
    if arguments.from_predictions:
        _score_file(arguments, truth)
        return 0
    evaluations = _evaluations(arguments, records, truth)
    if arguments.json:
        print_json({key: _evaluation_entry(evaluation) for key, evaluation in evaluations.items()})
    return 0


def _score_file(arguments: argparse.Namespace, truth: GroundTruth | None) -> None:
    """Print the scores of saved detections."""
    from featherface.evaluation.average_precision import evaluate
    from featherface.evaluation.predictions import read_predictions

    if truth is None:
        raise CommandError("--from-predictions needs --ground-truth or --manifest.")
    evaluation = evaluate(read_predictions(arguments.from_predictions), truth)
    _print_evaluation(str(arguments.from_predictions), evaluation, truth, arguments.json)
    if arguments.json:
        print_json(_evaluation_entry(evaluation))


def _check_options(arguments: argparse.Namespace) -> None:
    """Raise CommandError unless the options name the images and what to do with them."""
    if arguments.workers < 1:
        raise CommandError("--workers must be at least 1.")
    if arguments.images and arguments.manifest:
        raise CommandError("Pass --images or --manifest, not both.")
    if arguments.source and not arguments.manifest:
        raise CommandError("--source needs --manifest.")
    annotated = arguments.manifest or arguments.ground_truth
    if arguments.from_predictions:
        if arguments.images or arguments.predictions or arguments.curves:
            raise CommandError("--from-predictions can be combined with --ground-truth or --manifest only.")
    elif not arguments.images and not arguments.manifest:
        raise CommandError("Pass --images, --manifest or --from-predictions.")
    elif not annotated and not arguments.predictions:
        raise CommandError("--images needs --ground-truth to score, or --predictions to save detections.")
    if arguments.curves and not annotated:
        raise CommandError("--curves needs --ground-truth or --manifest.")


def _ground_truth(folder: Path | None, records: Sequence[Record]) -> GroundTruth | None:
    from featherface.evaluation.ground_truth import manifest_ground_truth, wider_ground_truth

    if folder is not None:
        return wider_ground_truth(folder)
    return manifest_ground_truth(records) if records else None


def _evaluations(
    arguments: argparse.Namespace, records: Sequence[Record], truth: GroundTruth | None
) -> dict[str, Evaluation]:
    """Predict with each model, print and save what was asked for, and return evaluations by model."""
    from featherface.detection.preprocess import Resize
    from featherface.evaluation.average_precision import evaluate
    from featherface.evaluation.curves import save_curves
    from featherface.evaluation.image_sets import folder_images, manifest_images
    from featherface.evaluation.run import PUBLISHED
    from featherface.models import MODELS
    from featherface.serving.model_service import ModelService

    images = manifest_images(records) if records else folder_images(arguments.images)
    if truth is not None:
        truth.only(image.name for image in images)  # fails before hours of work
    settings = replace(PUBLISHED, resize=Resize(arguments.resize), side=arguments.size)
    keys = model_keys(arguments.model)
    evaluations, curves = {}, []
    for key, weights in chosen_weights(ModelService(), keys, dict(arguments.weights)).items():
        predictions = _predictions(arguments, weights, settings, images)
        if truth is not None:
            evaluations[key] = evaluate(predictions, truth)
            _print_evaluation(MODELS[key].name, evaluations[key], truth, arguments.json)
            curves.append(_saved_curves(arguments, weights, evaluations[key]))
    if arguments.curves:
        save_curves(arguments.curves, curves)
    return evaluations


def _predictions(
    arguments: argparse.Namespace,
    weights: WeightsFile,
    settings: DetectionSettings,
    images: Sequence[EncodedImage],
) -> list[Prediction]:
    """Predict all images with one model, resuming its predictions file."""
    from featherface.checkpoints import load_network
    from featherface.evaluation.predictions import resume_predictions
    from featherface.evaluation.run import Predictor, predict_images
    from featherface.models import MODELS

    output: Path | None = arguments.predictions
    finished: list[Prediction] = []
    if output is not None:
        if arguments.model == ALL_MODELS:
            output = output.with_stem(f"{output.stem}-{weights.key}")
        run = {"model": weights.key, "weights_sha256": weights.sha256, **asdict(settings)}
        finished = resume_predictions(output, run)
    return predict_images(
        Predictor(load_network(MODELS[weights.key], weights.path, weights.sha256), settings),
        images,
        finished=finished,
        output=output,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
    )


def _saved_curves(arguments: argparse.Namespace, weights: WeightsFile, evaluation: Evaluation) -> SavedCurves:
    from featherface.evaluation.curves import SavedCurves
    from featherface.profiling.machine import now, this_machine

    name = (arguments.manifest or arguments.images).name
    return SavedCurves(
        model=weights.key,
        weights_sha256=weights.sha256,
        image_set=f"{name}, {arguments.source}" if arguments.source else name,
        resize=arguments.resize,
        side=arguments.size,
        date=now(),
        machine=asdict(this_machine()),
        evaluation=evaluation,
    )


def _print_evaluation(name: str, evaluation: Evaluation, truth: GroundTruth, as_json: bool) -> None:
    """Print one table, and a note on standard error if it covers only part of the ground truth."""
    if evaluation.images < len(truth.images):
        print(
            f"{name}: scored on {evaluation.images:,} of the {len(truth.images):,} images of the "
            f"{truth.protocol} ground truth.",
            file=sys.stderr,
        )
    if as_json:
        return
    print(f"{name}: average precision, {evaluation.protocol}, {evaluation.images:,} images")
    for subset, curve in evaluation.curves.items():
        score = f"{curve.average_precision:.4f}" if curve.faces else "-"
        interval = "95% {:.3f} to {:.3f}, ".format(*curve.interval) if curve.interval else ""
        print(f"  {subset:<12}{score:>8}  {interval}{curve.faces:,} faces")


def _evaluation_entry(evaluation: Evaluation) -> dict[str, float | None]:
    scores = {name: None if isnan(score) else score for name, score in evaluation.scores().items()}
    return scores | {"images": evaluation.images}


COMMAND = Command(
    summary="measure average precision on annotated images",
    description="Measure average precision (AP) on annotated images.\n\n"
    "With --ground-truth, by the official WIDER FACE protocol, restricted to the images given. With\n"
    "--manifest alone, by the manifest's boxes: overall and by face height. The defaults are the published\n"
    "settings: original size, scores above 0.02, NMS at IoU 0.4. An interrupted run resumes when it is\n"
    "started again with the same --predictions.\n\n"
    'JSON: {MODEL: {"easy": AP, "medium": AP, "hard": AP, "images": N}, ...}; AP is null where no face\n'
    "counts. With --from-predictions, one such object without the MODEL level.",
    add_options=_add_options,
    run=_run,
)
