"""`featherface stress`: average precision on corrupted images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    ALL_MODELS,
    Command,
    CommandError,
    add_ground_truth_option,
    add_manifest_options,
    add_model_option,
    add_network_options,
    add_saved_set_options,
    add_worker_options,
    chosen_weights,
    model_keys,
    print_json,
)

if TYPE_CHECKING:
    from featherface.checkpoints import WeightsFile
    from featherface.evaluation.ground_truth import GroundTruth
    from featherface.evaluation.image_sets import EncodedImage
    from featherface.evaluation.predictions import Prediction
    from featherface.robustness.labelled_stress import Estimate, Robustness
    from featherface.robustness.robustness_results import SavedStress

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="images as EVENT/NAME.jpg, as in WIDER FACE"
    )
    add_manifest_options(parser)
    add_ground_truth_option(parser, required=True)
    parser.add_argument(
        "--corruption",
        action="append",
        default=[],
        metavar="NAME",
        help="a corruption, such as jpeg; repeat for more (default: all)",
    )
    parser.add_argument(
        "--severities",
        type=_severities,
        default=(1, 2, 3, 4, 5),
        metavar="LIST",
        help="severities from 1 to 5, as in 1,3,5 (default: all)",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="save the detections, one JSON line per image and condition, and resume from them; with "
        "--model all, one file per model: found.jsonl becomes found-MODEL.jsonl",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="save the results as JSON")
    add_saved_set_options(parser)
    add_worker_options(parser)
    add_network_options(parser, resize="original")


def _severities(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and 1 <= int(part) <= 5 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of severities from 1 to 5, as in 1,3,5")
    return tuple(sorted({int(part) for part in parts}))


def _run(arguments: argparse.Namespace) -> int:
    from featherface.robustness.robustness_results import save_stress
    from featherface.serving.model_service import ModelService

    corruptions = _corruptions(arguments)
    if arguments.workers < 1:
        raise CommandError("--workers must be at least 1.")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)  # fails before hours of work
    images = _images(arguments)
    truth = _ground_truth(arguments.ground_truth, images)
    weights = chosen_weights(ModelService(), model_keys(arguments.model), dict(arguments.weights))
    results = []
    for key, file in weights.items():
        predictions = _predictions(arguments, file, corruptions, images, truth)
        results.append(_scored(arguments, file, corruptions, images, truth, predictions))
        if not arguments.json:
            _print_robustness(key, results[-1].robustness)
    if arguments.out:
        save_stress(arguments.out, results)
    if arguments.json:
        print_json({saved.model: _entry(saved.robustness) for saved in results})
    return 0


def _corruptions(arguments: argparse.Namespace) -> list[str]:
    from featherface.robustness.corruptions import CORRUPTIONS

    for name in arguments.corruption:
        if name not in CORRUPTIONS:
            raise CommandError(f"There is no corruption {name!r}; choose from {', '.join(CORRUPTIONS)}.")
    return list(dict.fromkeys(arguments.corruption)) or list(CORRUPTIONS)


def _images(arguments: argparse.Namespace) -> list[EncodedImage]:
    from featherface.evaluation.image_sets import folder_images, manifest_images
    from featherface.evaluation.manifest import read_manifest

    if (arguments.images is None) == (arguments.manifest is None):
        raise CommandError("Pass either --images or --manifest.")
    if arguments.source and arguments.manifest is None:
        raise CommandError("--source needs --manifest.")
    if arguments.images is not None:
        return folder_images(arguments.images)
    return manifest_images(read_manifest(arguments.manifest, arguments.source))


def _ground_truth(folder: Path, images: Sequence[EncodedImage]) -> GroundTruth:
    """Return the official ground truth of `images`, and say on standard error if that is only a part."""
    from featherface.evaluation.ground_truth import wider_ground_truth

    everything = wider_ground_truth(folder)
    truth = everything.only(image.name for image in images)
    if len(truth.images) < len(everything.images):
        print(
            f"{len(truth.images):,} of the {len(everything.images):,} images of the {truth.protocol} ground "
            "truth are used.",
            file=sys.stderr,
        )
    return truth


def _predictions(
    arguments: argparse.Namespace,
    weights: WeightsFile,
    corruptions: Sequence[str],
    images: Sequence[EncodedImage],
    truth: GroundTruth,
) -> list[Prediction]:
    """Predict all images in all conditions with one model, resuming its predictions file."""
    from featherface.checkpoints import load_network
    from featherface.detection.preprocess import Resize
    from featherface.engines.choice import chosen_engine
    from featherface.evaluation.predictions import resume_predictions
    from featherface.evaluation.run import PUBLISHED, Predictor, predict_images
    from featherface.models import MODELS
    from featherface.robustness.labelled_stress import StressPredictor, conditions, corrupted_images

    settings = replace(PUBLISHED, resize=Resize(arguments.resize), input_size=arguments.size)
    finished: list[Prediction] = []
    output: Path | None = arguments.predictions
    if output is not None:
        if arguments.model == ALL_MODELS:
            output = output.with_stem(f"{output.stem}-{weights.key}")
        about = {"model": weights.key, "weights_sha256": weights.sha256}
        about["engine"] = chosen_engine(arguments.engine).key
        finished = resume_predictions(output, {"stress": True, **about, **asdict(settings)})
    network = load_network(MODELS[weights.key], weights.path, weights.sha256)
    predictor = Predictor(network, settings, arguments.engine)
    return predict_images(
        StressPredictor(predictor.predict_photo, {name: faces.boxes for name, faces in truth.images.items()}),
        corrupted_images(images, conditions(corruptions, arguments.severities)),
        finished=finished,
        output=output,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
    )


def _scored(
    arguments: argparse.Namespace,
    weights: WeightsFile,
    corruptions: Sequence[str],
    images: Sequence[EncodedImage],
    truth: GroundTruth,
    predictions: Sequence[Prediction],
) -> SavedStress:
    from featherface.profiling.machine import now
    from featherface.robustness.labelled_stress import score_stress
    from featherface.robustness.robustness_results import SavedStress

    return SavedStress(
        model=weights.key,
        weights_sha256=weights.sha256,
        image_set=arguments.image_set or (arguments.manifest or arguments.images).name,
        resize=arguments.resize,
        input_size=arguments.size,
        date=now(),
        used_for_selection=arguments.used_for_selection,
        robustness=score_stress(predictions, truth, corruptions, arguments.severities, _sizes(images)),
    )


def _sizes(images: Sequence[EncodedImage]) -> Callable[[str], tuple[int, int]]:
    """Return a function from an image's name to its width and height, which decodes each image once."""
    from functools import cache

    from featherface.detection.images import decode_photo

    by_name = {image.name: image for image in images}

    @cache
    def size_of(name: str) -> tuple[int, int]:
        photo = decode_photo(by_name[name].read())
        return photo.width, photo.height

    return size_of


def _print_robustness(key: str, found: Robustness) -> None:
    from featherface.models import MODELS

    severities = ", ".join(map(str, found.severities))
    print(
        f"{MODELS[key].name}: {found.protocol}, {found.images:,} images, "
        f"{len(found.corruptions)} corruptions, severities {severities}"
    )
    print(f"  {'faces':<10}{'clean AP':>9}  {'mPC':<28}rPC")
    for subset, clean in found.clean.items():
        mpc, rpc = _text(found.mpc[subset]), _text(found.rpc[subset])
        print(f"  {subset:<10}{_value(clean):>9}  {mpc:<28}{rpc}")


def _text(estimate: Estimate) -> str:
    if estimate.interval is None:
        return f"{_value(estimate)}  (no interval)"
    return "{}  95% {:.3f} to {:.3f}".format(_value(estimate), *estimate.interval)


def _value(estimate: Estimate) -> str:
    return "-" if estimate.value != estimate.value else f"{estimate.value:.4f}"  # NaN differs from itself


def _entry(found: Robustness) -> dict[str, object]:
    from featherface.robustness.robustness_results import estimate_entry

    measures = {"clean": found.clean, "mpc": found.mpc, "rpc": found.rpc}
    return {
        "images": found.images,
        **{
            name: {subset: estimate_entry(estimate) for subset, estimate in estimates.items()}
            for name, estimates in measures.items()
        },
    }


COMMAND = Command(
    summary="measure average precision on corrupted images",
    description="Measure average precision (AP) on corrupted images, by the official WIDER FACE protocol.\n\n"
    "mPC is the mean AP over the corruptions and severities that ran, rPC is mPC over the AP on clean\n"
    "images (Michaelis et al. 2019, arXiv 1907.07484). Every image is corrupted where it is predicted, with\n"
    "a seed from its name. An interrupted run resumes when it is started again with the same\n"
    "--predictions.\n\n"
    'JSON: {MODEL: {"images": N, "clean": {SUBSET: ESTIMATE, ...}, "mpc": ..., "rpc": ...}, ...} with the\n'
    'subsets easy, medium, hard and their mean; ESTIMATE is {"value", "interval", "no_interval"}.',
    add_options=_add_options,
    run=_run,
)
