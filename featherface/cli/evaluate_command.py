"""`featherface evaluate`: average precision on annotated images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    ALL_MODELS,
    INTERRUPTED,
    Command,
    CommandError,
    add_ground_truth_option,
    add_manifest_options,
    add_model_option,
    add_network_options,
    add_saved_set_options,
    add_worker_options,
    chosen_weights,
    error_line,
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
    from featherface.evaluation.paired_bootstrap import SavedComparison
    from featherface.evaluation.predictions import Prediction

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="images as EVENT/NAME.jpg, as in WIDER FACE"
    )
    add_manifest_options(parser)
    add_ground_truth_option(parser)
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
        "--comparison",
        type=Path,
        metavar="FILE",
        help="save the difference in average precision of every two models, with its paired confidence "
        "interval, as JSON",
    )
    add_saved_set_options(parser)
    add_worker_options(parser)
    add_network_options(parser, resize="original")


def _run(arguments: argparse.Namespace) -> int:
    from featherface.evaluation.manifest import read_manifest

    _check_options(arguments)
    records = read_manifest(arguments.manifest, arguments.source) if arguments.manifest else []
    truth = _ground_truth(arguments.ground_truth, records)
    if arguments.from_predictions:
        _score_file(arguments, truth)
        return 0
    evaluations: dict[str, Evaluation] = {}
    try:
        _evaluate_all(arguments, records, truth, evaluations)
    except KeyboardInterrupt:  # the models that are done are kept
        hint = " Start it again to continue." if arguments.predictions else ""
        print(error_line(f"Stopped after {len(evaluations)} finished models.{hint}"), file=sys.stderr)
        status = INTERRUPTED
    else:
        status = 0
    if arguments.json:
        print_json({key: _evaluation_entry(evaluation) for key, evaluation in evaluations.items()})
    return status


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
    annotated = arguments.manifest or arguments.ground_truth
    saved = arguments.curves or arguments.comparison
    if arguments.workers < 1:
        raise CommandError("--workers must be at least 1.")
    if arguments.images and arguments.manifest:
        raise CommandError("Pass --images or --manifest, not both.")
    if arguments.source and not arguments.manifest:
        raise CommandError("--source needs --manifest.")
    if arguments.from_predictions:
        if arguments.images or arguments.predictions or saved:
            raise CommandError("--from-predictions can be combined with --ground-truth or --manifest only.")
    elif not arguments.images and not arguments.manifest:
        raise CommandError("Pass --images, --manifest or --from-predictions.")
    elif not annotated and not arguments.predictions:
        raise CommandError("--images needs --ground-truth to score, or --predictions to save detections.")
    if saved and not annotated:
        raise CommandError("--curves and --comparison need --ground-truth or --manifest.")
    if arguments.comparison and arguments.model != ALL_MODELS:
        raise CommandError(f"--comparison needs --model {ALL_MODELS}.")
    if (arguments.image_set or arguments.used_for_selection) and not saved:
        raise CommandError("--image-set and --used-for-selection need --curves or --comparison.")


def _ground_truth(folder: Path | None, records: Sequence[Record]) -> GroundTruth | None:
    from featherface.evaluation.ground_truth import manifest_ground_truth, wider_ground_truth

    if folder is not None:
        return wider_ground_truth(folder)
    return manifest_ground_truth(records) if records else None


def _evaluate_all(
    arguments: argparse.Namespace,
    records: Sequence[Record],
    truth: GroundTruth | None,
    evaluations: dict[str, Evaluation],
) -> None:
    """Predict with each model, print and save what was asked for, and add each model's to `evaluations`."""
    from featherface.detection.preprocess import Resize
    from featherface.evaluation.image_sets import folder_images, manifest_images
    from featherface.evaluation.run import PUBLISHED
    from featherface.serving.model_service import ModelService

    images = manifest_images(records) if records else folder_images(arguments.images)
    if truth is not None:
        truth.only(image.name for image in images)  # fails before hours of work
    settings = replace(PUBLISHED, resize=Resize(arguments.resize), input_size=arguments.size)
    weights = chosen_weights(ModelService(), model_keys(arguments.model), dict(arguments.weights))
    predictions = {}
    for key, file in weights.items():
        predictions[key] = _predictions(arguments, file, settings, images)
        if truth is not None:
            evaluations[key] = _scored(key, predictions[key], truth, arguments.json)
    if truth is not None:
        _save_results(arguments, weights, predictions, evaluations, truth)


def _scored(key: str, predictions: Sequence[Prediction], truth: GroundTruth, as_json: bool) -> Evaluation:
    from featherface.evaluation.average_precision import evaluate
    from featherface.models import MODELS

    evaluation = evaluate(predictions, truth)
    _print_evaluation(MODELS[key].name, evaluation, truth, as_json)
    return evaluation


def _predictions(
    arguments: argparse.Namespace,
    weights: WeightsFile,
    settings: DetectionSettings,
    images: Sequence[EncodedImage],
) -> list[Prediction]:
    """Predict all images with one model, resuming its predictions file."""
    from featherface.checkpoints import load_network
    from featherface.engines.choice import chosen_engine
    from featherface.evaluation.predictions import resume_predictions
    from featherface.evaluation.run import Predictor, predict_images
    from featherface.models import MODELS

    output: Path | None = arguments.predictions
    finished: list[Prediction] = []
    if output is not None:
        if arguments.model == ALL_MODELS:
            output = output.with_stem(f"{output.stem}-{weights.key}")
        engine = chosen_engine(arguments.engine).key
        run = {"model": weights.key, "weights_sha256": weights.sha256, "engine": engine, **asdict(settings)}
        finished = resume_predictions(output, run)
    return predict_images(
        Predictor(
            load_network(MODELS[weights.key], weights.path, weights.sha256), settings, arguments.engine
        ),
        images,
        finished=finished,
        output=output,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
    )


def _save_results(
    arguments: argparse.Namespace,
    weights: Mapping[str, WeightsFile],
    predictions: Mapping[str, Sequence[Prediction]],
    evaluations: Mapping[str, Evaluation],
    truth: GroundTruth,
) -> None:
    """Save the curves, and print and save the comparison of every two models."""
    from featherface.evaluation.curves import save_curves
    from featherface.evaluation.paired_bootstrap import save_comparisons
    from featherface.models import model_pairs

    if arguments.curves:
        curves = [_saved_curves(arguments, weights[key], found) for key, found in evaluations.items()]
        save_curves(arguments.curves, curves)
    if arguments.json and not arguments.comparison:
        return
    pairs = [pair for pair in model_pairs() if set(pair) <= set(predictions)]
    comparisons = [_saved_comparison(arguments, weights, predictions, truth, *pair) for pair in pairs]
    if not arguments.json:
        for saved in comparisons:
            print(_difference_text(saved))
    if arguments.comparison:
        save_comparisons(arguments.comparison, comparisons)


def _saved_curves(arguments: argparse.Namespace, weights: WeightsFile, evaluation: Evaluation) -> SavedCurves:
    from featherface.evaluation.curves import SavedCurves
    from featherface.profiling.machine import now, this_machine

    return SavedCurves(
        model=weights.key,
        weights_sha256=weights.sha256,
        image_set=_image_set(arguments),
        resize=arguments.resize,
        input_size=arguments.size,
        date=now(),
        machine=asdict(this_machine()),
        evaluation=evaluation,
        used_for_selection=arguments.used_for_selection,
    )


def _saved_comparison(
    arguments: argparse.Namespace,
    weights: Mapping[str, WeightsFile],
    predictions: Mapping[str, Sequence[Prediction]],
    truth: GroundTruth,
    first: str,
    second: str,
) -> SavedComparison:
    from featherface.evaluation.paired_bootstrap import SavedComparison, compare_precision
    from featherface.profiling.machine import now

    return SavedComparison(
        models=(first, second),
        weights_sha256=(weights[first].sha256, weights[second].sha256),
        image_set=_image_set(arguments),
        resize=arguments.resize,
        input_size=arguments.size,
        date=now(),
        used_for_selection=arguments.used_for_selection,
        comparison=compare_precision(predictions[first], predictions[second], truth),
    )


def _image_set(arguments: argparse.Namespace) -> str:
    if arguments.image_set:
        return str(arguments.image_set)
    name: str = (arguments.manifest or arguments.images).name
    return f"{name}, {arguments.source}" if arguments.source else name


def _difference_text(saved: SavedComparison) -> str:
    from featherface.evaluation.paired_bootstrap import difference_text, interval_text
    from featherface.models import MODELS

    first, second = (MODELS[key].short_name for key in saved.models)
    mean = saved.comparison.mean
    interval = f"95% {interval_text(mean.interval)}" if mean.interval else mean.no_interval
    return f"Mean average precision, {second} minus {first}: {difference_text(mean.difference)}  {interval}"


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
        interval = "95% {:.3f} to {:.3f}".format(*curve.interval) if curve.interval else curve.no_interval
        print(f"  {subset:<12}{score:>8}{curve.faces:>9,} faces  {interval}")


def _evaluation_entry(evaluation: Evaluation) -> dict[str, float | None]:
    scores = {name: None if isnan(score) else score for name, score in evaluation.scores().items()}
    return scores | {"images": evaluation.images}


COMMAND = Command(
    summary="measure average precision on annotated images",
    description="Measure average precision (AP) on annotated images.\n\n"
    "With --ground-truth, by the official WIDER FACE protocol, restricted to the images given. With\n"
    "--manifest alone, by the manifest's boxes: overall and by face height. The defaults are the published\n"
    "settings: original size, scores above 0.02, NMS at IoU 0.4. An interrupted run resumes when it is\n"
    "started again with the same --predictions; its JSON has the models that were finished. An image that\n"
    "cannot be read is left out and named on standard error.\n\n"
    'JSON: {MODEL: {"easy": AP, "medium": AP, "hard": AP, "images": N}, ...}; AP is null where no face\n'
    "counts. With --from-predictions, one such object without the MODEL level.",
    add_options=_add_options,
    run=_run,
)
