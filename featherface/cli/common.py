"""What the commands share: their form, options and messages.

A command is a module `NAME_command.py` in this folder that defines `COMMAND`. It imports PyTorch, NumPy and
what needs them inside its functions, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_INPUT_SIZE,
    DEFAULT_NMS_IOU,
    INPUT_SIZE_RANGE,
    NMS_IOU_RANGE,
)
from featherface.errors import FeatherFaceError
from featherface.files import printable

if TYPE_CHECKING:
    from featherface.checkpoints import WeightsFile
    from featherface.evaluation.ground_truth import GroundTruth
    from featherface.evaluation.manifest import Record
    from featherface.profiling.latency import LatencyResult, Progress
    from featherface.serving.model_service import ModelService

__all__ = [
    "ALL_MODELS",
    "ERROR",
    "INTERRUPTED",
    "Command",
    "CommandError",
    "FoundPhotos",
    "MeasuredModel",
    "Provenance",
    "add_engine_option",
    "add_ground_truth_option",
    "add_input_size_option",
    "add_manifest_options",
    "add_measurement_options",
    "add_model_option",
    "add_network_options",
    "add_saved_set_options",
    "add_threads_option",
    "add_threshold_options",
    "add_weights_option",
    "add_worker_options",
    "chosen_weights",
    "detector_keys",
    "error_line",
    "find_photos",
    "finished_points",
    "measured_model",
    "measurement_provenance",
    "model_keys",
    "photo_paths",
    "print_json",
    "range_help",
]

ERROR = 2  # exit status for every mistake that the user can correct, as in argparse
INTERRUPTED = 130  # exit status of a program stopped by Ctrl-C
ALL_MODELS = "all"


class CommandError(FeatherFaceError):
    """A command cannot do what its options ask; the message is one sentence."""


@dataclass(frozen=True)
class Command:
    """One command of the command line.

    Every command also gets `--json`, which `run` reads as `arguments.json`.
    """

    summary: str  # one line, for the list of commands: lower case, no full stop
    description: str  # for the command's own help, line breaks kept; says how --json is laid out
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]  # returns the exit status


def error_line(message: str) -> str:
    """Return an error message as the one line that goes to standard error."""
    return f"featherface: {' '.join(message.split())}"


def print_json(document: object) -> None:
    """Print `document` as one line of JSON on standard output."""
    print(json.dumps(document))


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, to be read with `model_keys`."""
    parser.add_argument(
        "--model",
        default=ALL_MODELS,
        metavar="MODEL",
        help="a model's key, such as v1, or all (default: %(default)s)",
    )


def model_keys(choice: str) -> list[str]:
    """Return the registry keys that `--model` stands for. Raises CommandError."""
    from featherface.models import MODELS

    if choice == ALL_MODELS:
        return list(MODELS)
    if choice not in MODELS:
        raise CommandError(f"There is no model {choice!r}; choose {', '.join(MODELS)} or {ALL_MODELS}.")
    return [choice]


def detector_keys(choice: str) -> list[str]:
    """Return the keys, with commas between them, of models and other detectors; the models for "all".

    Raises CommandError.
    """
    from featherface.models import MODELS, OTHER_DETECTORS

    if choice == ALL_MODELS:
        return list(MODELS)
    known = [*MODELS, *OTHER_DETECTORS]
    keys = list(dict.fromkeys(choice.split(",")))
    for key in keys:
        if key not in known:
            raise CommandError(f"There is no model {key!r}; choose {', '.join(known)} or {ALL_MODELS}.")
    return keys


def add_input_size_option(parser: argparse.ArgumentParser, explanation: str = "input size in pixels") -> None:
    """Add `--size`."""
    parser.add_argument(
        "--size",
        type=int,
        default=DEFAULT_INPUT_SIZE,
        metavar="N",
        help=f"{explanation} (default: %(default)s)",
    )


def add_threads_option(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`."""
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="threads per pass (default: %(default)s, as in the dashboard)",
    )


def add_engine_option(parser: argparse.ArgumentParser) -> None:
    """Add `--engine`, a key in ENGINES or None."""
    parser.add_argument(
        "--engine",
        metavar="ENGINE",
        help="what runs the networks: onnxruntime, openvino or pytorch "
        "(default: FEATHERFACE_ENGINE, or the fastest installed)",
    )


def add_threshold_options(parser: argparse.ArgumentParser) -> None:
    """Add `--conf` and `--nms`."""
    parser.add_argument(
        "--conf",
        type=float,
        default=DEFAULT_CONFIDENCE,
        metavar="SCORE",
        help=f"{range_help('confidence threshold', CONFIDENCE_RANGE)} (default: %(default)s)",
    )
    parser.add_argument(
        "--nms",
        type=float,
        default=DEFAULT_NMS_IOU,
        metavar="IOU",
        help=f"{range_help('IoU threshold of NMS', NMS_IOU_RANGE)} (default: %(default)s)",
    )


def add_weights_option(parser: argparse.ArgumentParser) -> None:
    """Add `--weights`, to be read with `chosen_weights`."""
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        type=_weights_option,
        metavar="MODEL=FILE",
        help="use your own checkpoint for a model, as in v1=my.pth; repeat for other models "
        "(default: the shipped weights)",
    )


def add_network_options(parser: argparse.ArgumentParser, *, resize: str) -> None:
    """Add `--weights`, `--engine`, `--resize` and `--size`; `resize` is the default mode."""
    add_weights_option(parser)
    add_engine_option(parser)
    parser.add_argument(
        "--resize",
        choices=("fit", "original", "study"),
        default=resize,
        help="fit: longer side to --size; original: keep the size; study: stretch to a square of --size, as "
        "the study did (default: %(default)s)",
    )
    add_input_size_option(parser, range_help("input size in pixels", INPUT_SIZE_RANGE))


def add_manifest_options(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add `--manifest` and `--source`."""
    parser.add_argument(
        "--manifest", type=Path, required=required, metavar="FILE", help="images and boxes as JSON lines"
    )
    parser.add_argument("--source", metavar="NAME", help="only the images of this source in the manifest")


def add_ground_truth_option(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add `--ground-truth`."""
    parser.add_argument(
        "--ground-truth",
        type=Path,
        required=required,
        metavar="DIR",
        help="folder of the official wider_*_val.mat files",
    )


def add_saved_set_options(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add `--image-set` and `--used-for-selection`; without a `default` the set has its folder's name."""
    parser.add_argument(
        "--image-set",
        default=default,
        metavar="NAME",
        help="what the saved files call these images "
        f"(default: {default or 'the name of the folder or manifest'})",
    )
    parser.add_argument(
        "--used-for-selection",
        action="store_true",
        help="note in the saved files that these images were also used to choose the checkpoints",
    )


def add_measurement_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that measure one model on a manifest: which, on what, saved under what."""
    parser.add_argument(
        "--model", required=True, metavar="MODEL", help="a model's key, such as v1, with shipped weights"
    )
    add_manifest_options(parser, required=True)
    add_ground_truth_option(parser)
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="use every Nth image only (default: %(default)s)"
    )
    add_saved_set_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write")


@dataclass(frozen=True)
class MeasuredModel:
    """What the options of `add_measurement_options` name: shipped weights, images and their faces."""

    weights: WeightsFile
    records: Sequence[Record]
    truth: GroundTruth


def measured_model(arguments: argparse.Namespace, subject: str, purpose: str) -> MeasuredModel:
    """Read what the options of `add_measurement_options` name.

    `subject` and `purpose` complete the messages. Raises CommandError for more than one model, for a model
    without weights and for --every below 1, and the errors of the files.
    """
    from featherface.checkpoints import shipped_weights
    from featherface.config import weights_folder
    from featherface.evaluation.ground_truth import manifest_ground_truth, wider_ground_truth
    from featherface.evaluation.manifest import read_manifest
    from featherface.models import MODELS

    if arguments.model == ALL_MODELS:
        raise CommandError(f"{subject} measures one model; pass its key with --model.")
    if arguments.every < 1:
        raise CommandError("--every must be at least 1.")
    (key,) = model_keys(arguments.model)
    weights = shipped_weights(MODELS[key], weights_folder())
    if weights is None:
        raise CommandError(f"{MODELS[key].name} has no trained weights, so there is nothing to {purpose}.")
    records = read_manifest(arguments.manifest, arguments.source)[:: arguments.every]
    official = arguments.ground_truth is not None
    truth = wider_ground_truth(arguments.ground_truth) if official else manifest_ground_truth(records)
    return MeasuredModel(weights, records, truth)


class Provenance(TypedDict):
    """Fields of a saved file that say what was measured on what, and when."""

    model: str
    weights_sha256: str
    image_set: str
    date: str
    used_for_selection: bool


def measurement_provenance(arguments: argparse.Namespace, measured: MeasuredModel) -> Provenance:
    """Return what a saved file says about a measurement with the options of `add_measurement_options`."""
    from featherface.profiling.machine import now

    return {
        "model": measured.weights.key,
        "weights_sha256": measured.weights.sha256,
        "image_set": _image_set_name(arguments),
        "date": now(),
        "used_for_selection": arguments.used_for_selection,
    }


def _image_set_name(arguments: argparse.Namespace) -> str:
    """Return what a saved file calls the images of `add_measurement_options`."""
    parts = arguments.manifest.name, arguments.source
    name = arguments.image_set or ", ".join(part for part in parts if part)
    return name if arguments.every == 1 else f"{name}, one image in {arguments.every}"


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Add `--workers` and `--scheduler`."""
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


def range_help(what: str, allowed: tuple[float, float]) -> str:
    """Return help for a number with its inclusive range; the default is added by the caller."""
    return f"{what}, {allowed[0]:,} to {allowed[1]:,}"


def _weights_option(text: str) -> tuple[str, Path]:
    key, equals, file = text.partition("=")
    if not key or not equals or not file:
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form MODEL=FILE")
    return key, Path(file)


def chosen_weights(
    service: ModelService, keys: Sequence[str], own: Mapping[str, Path]
) -> dict[str, WeightsFile]:
    """Return the weights of each of `keys`: the user's own file if `own` has one, else the shipped weights.

    Raises CommandError and WeightsError.
    """
    unused = set(own) - set(keys)
    if unused:
        raise CommandError(
            f"--weights names {', '.join(sorted(unused))}, but --model chooses {', '.join(keys)}."
        )
    chosen = {}
    for key in keys:
        if key in own:
            chosen[key] = _own_weights(key, own[key])
            continue
        status = service.weights_info(key)
        if status.weights is None:
            raise CommandError(f"{status.message} Pass others with --weights {key}=FILE, or choose --model.")
        chosen[key] = status.weights
    return chosen


def _own_weights(key: str, path: Path) -> WeightsFile:
    from featherface.checkpoints import inspect_checkpoint
    from featherface.checkpoints.detector_files import inspect_detector
    from featherface.models import MODELS, detector_entry

    if key in MODELS:
        return inspect_checkpoint(path, MODELS[key])
    weights = inspect_detector(path)
    if weights.key != key:
        given, wanted = detector_entry(weights.key).name, detector_entry(key).name
        raise CommandError(f"{path.name} is a model file of {given}, not of {wanted}.")
    return weights


@dataclass(frozen=True)
class FoundPhotos:
    """The photos among files and in folders, and what was left out of the folders with the reason."""

    photos: tuple[Path, ...]
    skipped: tuple[tuple[Path, str], ...]


def photo_paths(paths: Sequence[Path]) -> list[Path]:
    """Return `paths` with each folder replaced by the photos in it, sorted by name. Raises CommandError."""
    return list(find_photos(paths).photos)


def find_photos(paths: Sequence[Path], *, recursive: bool = False) -> FoundPhotos:
    """Replace each folder among `paths` by the photos in it, sorted by name.

    recursive: also those in its sub-folders. In folders, files of another extension count if their content
    is an image; hidden files do not. Raises CommandError for a folder without photos.
    """
    photos: list[Path] = []
    skipped: list[tuple[Path, str]] = []
    for path in paths:
        if not path.is_dir():
            photos.append(path)
            continue
        found = _photos_in_folder(path, recursive, skipped)
        if not found:
            hint = "" if recursive else "; add --recursive to look into its sub-folders"
            raise CommandError(f"The folder {printable(str(path))} contains no photos{hint}.")
        photos += found
    return FoundPhotos(tuple(photos), tuple(skipped))


def _photos_in_folder(folder: Path, recursive: bool, skipped: list[tuple[Path, str]]) -> list[Path]:
    """Return the photos in `folder`; add what is left out to `skipped`."""
    suffixes = _photo_suffixes()
    photos = []
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        skipped.append((folder, f"cannot be opened: {error.strerror}"))
        return []
    for entry in entries:
        if entry.is_dir():
            if not recursive:
                skipped.append((entry, "a sub-folder; --recursive includes it"))
            elif entry.is_symlink():
                skipped.append((entry, "a link to a folder"))
            else:
                photos += _photos_in_folder(entry, recursive, skipped)
        elif entry.is_file() and (entry.suffix.lower() in suffixes or _is_image(entry)):
            photos.append(entry)
        else:
            skipped.append((entry, "not a photo"))
    return photos


def _photo_suffixes() -> set[str]:
    from PIL import Image

    from featherface.detection.images import FORMATS

    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
    return suffixes | {".heic", ".heif", ".svg"}  # unsupported: reported instead of skipped


def _is_image(path: Path) -> bool:
    from PIL import Image

    from featherface.detection.images import FORMATS

    try:
        with Image.open(path, formats=FORMATS):
            return True
    except Exception:  # Pillow's readers raise nearly every kind of exception on other files
        return False


def finished_points(steps: Iterator[Progress]) -> list[LatencyResult]:
    """Run a benchmark with a progress bar, until Ctrl-C at most; return points with two rounds or more."""
    from tqdm import tqdm

    results: tuple[LatencyResult, ...] = ()
    with tqdm(unit="round", file=sys.stderr) as bar:
        try:
            for step in steps:
                bar.total = step.total
                bar.update()
                results = step.results
        except KeyboardInterrupt:
            pass
    return [result for result in results if result.rounds > 1]
