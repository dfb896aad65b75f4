"""The project's jobs without a browser: `python -m featherface COMMAND`.

Each command has an `add_<name>` that declares its options and a handler that does the work. PyTorch and what
needs it is imported by the handlers, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_NMS_IOU,
    DEFAULT_SIDE,
    MAX_DIMENSION,
    NMS_IOU_RANGE,
    SIDE_RANGE,
    WEIGHTS_DIR,
)
from featherface.errors import FeatherFaceError

if TYPE_CHECKING:
    from featherface.checkpoints.files import WeightsFile
    from featherface.detection.images import Photo
    from featherface.detection.settings import DetectionSettings
    from featherface.evaluation.average_precision import Evaluation
    from featherface.evaluation.curves import SavedCurves
    from featherface.evaluation.ground_truth import GroundTruth
    from featherface.evaluation.image_sets import Picture
    from featherface.evaluation.manifest import Record
    from featherface.evaluation.predictions import Prediction
    from featherface.profiling.latency import LatencyResult, Progress
    from featherface.serving.model_service import DetectionResult, ModelService
    from featherface.study.measurements import Accuracy

__all__ = ["CommandError", "main"]

_ERROR = 2  # exit status for everything that a person can put right, as argparse has it
_INTERRUPTED = 130  # exit status of a program stopped by Ctrl-C

Subparsers = argparse._SubParsersAction  # has no public name


class CommandError(FeatherFaceError):
    """A command cannot do what its options ask; the message is one sentence."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 2 after one line on standard error."""
    try:
        arguments = _parser().parse_args(argv)
        return arguments.handler(arguments)
    except SystemExit as stop:  # argparse has said what there is to say
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:
        return _report(f"{error.filename or 'output'}: {error.strerror}")
    except FeatherFaceError as error:
        return _report(str(error))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage."""
        raise SystemExit(_report(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m featherface", description="Two light face detectors, compared.")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (add_params, add_flops, add_bench, add_study, add_evaluate, add_detect, add_train):
        add(subparsers)
    return parser


def _add_command(
    subparsers: Subparsers, name: str, handler: Callable[[argparse.Namespace], int], description: str
) -> argparse.ArgumentParser:
    """Add a command whose `handler` returns the exit status; every command can print JSON."""
    command = subparsers.add_parser(
        name,
        help=description.partition(".")[0].lower(),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    command.set_defaults(handler=handler)
    return command


def _report(message: str) -> int:
    print(_error_line(message), file=sys.stderr)
    return _ERROR


def _error_line(message: str) -> str:
    return f"featherface: {' '.join(message.split())}"


def _model_keys(choice: str, everything: str) -> list[str]:
    """Return the registry keys that `choice` stands for: one of them, or all for the word `everything`."""
    from featherface.models import MODELS

    if choice == everything:
        return list(MODELS)
    if choice not in MODELS:
        raise CommandError(f"There is no model {choice!r}; choose {', '.join(MODELS)} or {everything}.")
    return [choice]


def add_params(subparsers: Subparsers) -> None:
    """Declare `params`."""
    command = _add_command(
        subparsers,
        "params",
        _params,
        "Count parameters by group.\n\n"
        'JSON: {"v1": {"total": 592371, "groups": {"Backbone": 213072, ...}}, ...}',
    )
    command.add_argument("--model", default="all", metavar="v1|v2|all", help="(default: %(default)s)")


def _params(arguments: argparse.Namespace) -> int:
    from featherface.models import MODELS
    from featherface.profiling.parameters import group_counts

    groups = {key: group_counts(key) for key in _model_keys(arguments.model, "all")}
    counts = {key: {"total": sum(group.values()), "groups": dict(group)} for key, group in groups.items()}
    if arguments.json:
        print(json.dumps(counts))
        return 0
    for key, count in counts.items():
        print(f"{MODELS[key].name}: {count['total']:,} parameters")
        for group, parameters in count["groups"].items():
            print(f"  {group:<10}{parameters:>9,}")
    return 0


def add_flops(subparsers: Subparsers) -> None:
    """Declare `flops`."""
    command = _add_command(
        subparsers,
        "flops",
        _flops,
        "Count multiply-accumulates, with three counters beside our own.\n\n"
        "A multiply-accumulate (MAC) is two operations (FLOPs); what the study calls FLOPs are MACs.\n"
        'JSON: {"v1": {"macs", "flops", "thop_macs" (as in the study), "thop_with_rule_macs",\n'
        '  "counter_macs" (FlopCounterMode), "folded_macs" (without batch norm), "parameters",\n'
        '  "thop_parameters", "peak_activation_bytes", "groups": {"Backbone": MACs, ...},\n'
        '  "uncounted": [{"operator", "what", "text", "calls", "operations"}, ...],\n'
        '  "uncounted_by_counter": {...}}, ...}',
    )
    command.add_argument("--model", default="all", metavar="v1|v2|all", help="(default: %(default)s)")
    command.add_argument(
        "--size",
        type=int,
        default=DEFAULT_SIDE,
        help="side of the square input in pixels (default: %(default)s)",
    )


def _flops(arguments: argparse.Namespace) -> int:
    from featherface.models import MODELS
    from featherface.profiling.complexity import flops_report

    report = flops_report(_model_keys(arguments.model, "all"), arguments.size)
    if arguments.json:
        print(json.dumps(report))
        return 0
    for key, counts in report.items():
        print(f"{MODELS[key].name} at {counts['width']} x {counts['height']}: {_mega(counts['macs'])}")
        for group, macs in counts["groups"].items():
            print(f"  {group:<46}{_mega(macs)}")
        print(f"  {'thop as in the study':<46}{_mega(counts['thop_macs'])}")
        print(f"  {'thop with a rule for deformable convolutions':<46}{_mega(counts['thop_with_rule_macs'])}")
        print(f"  {'torch FlopCounterMode':<46}{_mega(counts['counter_macs'])}")
        print(f"  {'peak of activations':<46}{counts['peak_activation_bytes'] / 1e6:>9,.1f} MB")
        print("  not counted, in millions of operations:")
        for row in counts["uncounted"]:
            if row["operations"] >= 1e5:  # the rest is copies and crumbs, and in the JSON
                print(f"    {row['what']:<44}{row['operations'] / 1e6:>9,.1f}")
    return 0


def _mega(macs: int) -> str:
    return f"{macs / 1e6:>9,.1f} MMACs"


def add_bench(subparsers: Subparsers) -> None:
    """Declare `bench`."""
    command = _add_command(
        subparsers,
        "bench",
        _bench,
        "Time the models against each other, turn about on the same input.\n\n"
        "Ctrl-C stops early and keeps the rounds done.\n\n"
        'JSON: {"points": [{"settings", "machine", "when", "complete", "cpu_share",\n'
        '  "milliseconds": {"v1": {"network": [...]}, ...},\n'
        '  "summary": {"v1": {"median", "p95", "p99", "fastest", "stages", "frames_per_second"}, ...},\n'
        '  "speed_up": {"ratio", "low", "high"} of V2 over V1, 95 % bootstrap interval,\n'
        '  "noise": {"spread", "drift", "starvation", "reasons"}}, ...]}',
    )
    command.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[DEFAULT_SIDE],
        metavar="N",
        help="sides of square inputs in pixels (default: %(default)s)",
    )
    command.add_argument("--runs", type=int, default=50, help="rounds at each size (default: %(default)s)")
    command.add_argument("--warmup", type=int, default=5, help="rounds before them (default: %(default)s)")
    _add_threads(command)
    command.add_argument(
        "--photo",
        type=Path,
        help="time the way from this file to its faces, stage by stage, not the network alone",
    )


def _add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="threads for PyTorch (default: %(default)s, as the dashboard runs the networks)",
    )


def _bench(arguments: argparse.Namespace) -> int:
    from featherface.profiling.latency import LatencySettings, benchmark
    from featherface.study.results import load_networks

    points = [
        LatencySettings(side, side, 1, arguments.threads, arguments.runs, arguments.warmup)
        for side in arguments.sizes
    ]
    photo = arguments.photo and arguments.photo.read_bytes()
    networks, _ = load_networks(WEIGHTS_DIR)
    results = _watched(benchmark(networks, points, photo))
    if arguments.json:
        print(json.dumps({"points": [_point(result) for result in results]}))
        return 0
    for result in results:
        _print_point(result)
    return 0


def _watched(steps: Iterator[Progress]) -> list[LatencyResult]:
    """Follow a benchmark to its end, or to Ctrl-C, and return the points that have two rounds or more."""
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


def _point(result: LatencyResult) -> dict[str, object]:
    from featherface.profiling.latency import noise, speed_up, summary

    return {
        **result.as_record(),
        "summary": {key: asdict(summary(result, key)) for key in result.milliseconds},
        "speed_up": asdict(speed_up(result)),
        "noise": asdict(noise(result)),
    }


def _print_point(result: LatencyResult) -> None:
    from featherface.profiling.latency import noise, speed_up, summary

    settings = result.settings
    print(f"{settings.width} x {settings.height}, {settings.threads} threads, {result.rounds} rounds")
    for key in result.milliseconds:
        found = summary(result, key)
        stages = ", ".join(f"{stage} {milliseconds:.1f}" for stage, milliseconds in found.stages.items())
        print(f"  {key}: median {found.median:.1f} ms, p95 {found.p95:.1f}, p99 {found.p99:.1f} ({stages})")
    ratio = speed_up(result)
    print(
        f"  V2 is {ratio.ratio:.2f} times as fast, {ratio.low:.2f} to {ratio.high:.2f} with 95 % confidence"
    )
    for reason in noise(result).reasons:
        print(f"  noisy: {reason}")


def add_study(subparsers: Subparsers) -> None:
    """Declare `study`."""
    command = _add_command(
        subparsers,
        "study",
        _study,
        "Repeat the study and write comparison_summary.json.\n\n"
        "The file holds the notebook's fields and, beside them, everything measured, the claims audit,\n"
        "the radar and the recommendations. --json prints the same.",
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    command.add_argument("--quick", action="store_true", help="15 timed rounds instead of 100")
    _add_threads(command)
    command.add_argument(
        "--curves",
        type=Path,
        metavar="FILE",
        help="average precision, as `evaluate` saves it (default: what lies in weights/evaluation)",
    )


def _study(arguments: argparse.Namespace) -> int:
    from featherface.profiling.latency import benchmark
    from featherface.study import summary as study
    from featherface.study.claims import audit
    from featherface.study.results import load_networks, shipped_accuracies

    accuracies = _accuracies(arguments.curves) if arguments.curves else shipped_accuracies(WEIGHTS_DIR)
    arguments.out.mkdir(parents=True, exist_ok=True)  # before minutes of measuring
    networks, weights = load_networks(WEIGHTS_DIR)
    results = _watched(benchmark(networks, [study.rounds(arguments.threads, quick=arguments.quick)]))
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


def add_train(subparsers: Subparsers) -> None:
    """Declare `train`."""
    command = _add_command(
        subparsers,
        "train",
        _train,
        "Train a network as a TOML file says, going on where its last run was stopped.\n\n"
        "The recipes of the shipped weights, and the study's own for people with WIDER FACE, are in\n"
        "featherface/training/recipes/. Several processes: torchrun -m featherface train CONFIG.toml.\n\n"
        'JSON, when done: {"output": folder, "steps", "development_ap": {...}}',
    )
    command.add_argument("config", type=Path, help="TOML file; paths in it are relative to it")


def _train(arguments: argparse.Namespace) -> int:
    import logging

    from featherface.training.settings import read_settings
    from featherface.training.trainer import Trainer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    trainer = Trainer(read_settings(arguments.config))
    scores = trainer.run()
    result = {"output": str(trainer.settings.output), "steps": trainer.step, "development_ap": scores}
    if arguments.json:
        print(json.dumps(result))
    else:
        lines = [f"{name}: {score:.4f}" for name, score in scores.items()]
        print("\n".join([f"Trained {trainer.step} steps into {trainer.settings.output}.", *lines]))
    return 0


def add_evaluate(subparsers: Subparsers) -> None:
    """Declare `evaluate`."""
    command = _add_command(
        subparsers,
        "evaluate",
        _evaluate,
        "Score detectors on annotated pictures by average precision.\n\n"
        "With --ground-truth by the official WIDER FACE protocol, restricted to the pictures given;\n"
        "without, by the manifest's boxes, together and by face height. The default is the published\n"
        "setting: original size, scores above 0.02, NMS at IoU 0.4. A run that was stopped continues\n"
        "when it is started again with the same --predictions.\n\n"
        'JSON: {"v1": {"easy": .., "medium": .., "hard": .., "pictures": ..}, ...}, without the model level\n'
        "with --from-predictions; null where no face counts.",
    )
    command.add_argument("--model", default="all", metavar="v1|v2|all", help="(default: %(default)s)")
    command.add_argument(
        "--images", type=Path, metavar="DIR", help="pictures as EVENT/NAME.jpg, as in WIDER FACE"
    )
    command.add_argument("--manifest", type=Path, metavar="FILE", help="pictures and boxes as JSON lines")
    command.add_argument("--source", help="only the pictures of this source in the manifest")
    command.add_argument(
        "--ground-truth", type=Path, metavar="DIR", help="folder of the official wider_*_val.mat files"
    )
    command.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="write the boxes found, one JSON line a picture; several models get FILE with -v1, -v2",
    )
    command.add_argument(
        "--from-predictions", type=Path, metavar="FILE", help="score such a file without a network"
    )
    command.add_argument(
        "--curves", type=Path, metavar="FILE", help="write the precision-recall curves as JSON"
    )
    command.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that work side by side (default: %(default)s)",
    )
    command.add_argument(
        "--scheduler", metavar="ADDRESS", help="use the workers of this Dask scheduler, as tcp://HOST:8786"
    )
    _add_network_options(command, resize="original")


def _evaluate(arguments: argparse.Namespace) -> int:
    from featherface.evaluation.average_precision import evaluate
    from featherface.evaluation.manifest import read_manifest
    from featherface.evaluation.predictions import read_predictions

    _check_evaluation(arguments)
    records = read_manifest(arguments.manifest, arguments.source) if arguments.manifest else []
    truth = _ground_truth(arguments.ground_truth, records)
    if arguments.from_predictions:
        evaluation = evaluate(read_predictions(arguments.from_predictions), truth)
        _print_evaluation(str(arguments.from_predictions), evaluation, truth, arguments.json)
        if arguments.json:
            print(json.dumps(_evaluation_entry(evaluation)))
        return 0
    evaluations = _run_evaluation(arguments, records, truth)
    if arguments.json:
        print(json.dumps({key: _evaluation_entry(evaluation) for key, evaluation in evaluations.items()}))
    return 0


def _check_evaluation(arguments: argparse.Namespace) -> None:
    """Raise CommandError unless the options say which pictures, and what they are for."""
    if arguments.workers < 1:
        raise CommandError("--workers must be at least 1.")
    if arguments.images and arguments.manifest:
        raise CommandError("Give --images or --manifest, not both.")
    if arguments.source and not arguments.manifest:
        raise CommandError("--source chooses from a --manifest.")
    annotated = arguments.manifest or arguments.ground_truth
    if arguments.from_predictions:
        if arguments.images or arguments.predictions or arguments.curves:
            raise CommandError("--from-predictions goes with --ground-truth or --manifest alone.")
        if not annotated:
            raise CommandError("--from-predictions needs --ground-truth or --manifest.")
    elif not arguments.images and not arguments.manifest:
        raise CommandError("Give --images, --manifest or --from-predictions.")
    elif not annotated and not arguments.predictions:
        raise CommandError("--images needs --ground-truth to score, or --predictions to write.")
    if arguments.curves and not annotated:
        raise CommandError("--curves needs --ground-truth or --manifest.")


def _ground_truth(folder: Path | None, records: Sequence[Record]) -> GroundTruth | None:
    from featherface.evaluation.ground_truth import manifest_ground_truth, wider_ground_truth

    if folder is not None:
        return wider_ground_truth(folder)
    return manifest_ground_truth(records) if records else None


def _run_evaluation(
    arguments: argparse.Namespace, records: Sequence[Record], truth: GroundTruth | None
) -> dict[str, Evaluation]:
    """Predict with each model, print and save what was asked for, and return evaluations by model."""
    from featherface.detection.preprocess import Resize
    from featherface.evaluation.average_precision import evaluate
    from featherface.evaluation.curves import save_curves
    from featherface.evaluation.image_sets import folder_pictures, manifest_pictures
    from featherface.evaluation.run import PUBLISHED
    from featherface.models import MODELS
    from featherface.serving.model_service import ModelService

    pictures = manifest_pictures(records) if records else folder_pictures(arguments.images)
    if truth is not None:
        truth.only(picture.name for picture in pictures)  # before hours of work
    settings = replace(PUBLISHED, resize=Resize(arguments.resize), side=arguments.size)
    keys = _model_keys(arguments.model, "all")
    evaluations, curves = {}, []
    for key, weights in _chosen_weights(ModelService(), keys, dict(arguments.weights)).items():
        predictions = _predicted(arguments, weights, settings, pictures)
        if truth is not None:
            evaluations[key] = evaluate(predictions, truth)
            _print_evaluation(MODELS[key].name, evaluations[key], truth, arguments.json)
            curves.append(_saved_curves(arguments, weights, evaluations[key]))
    if arguments.curves:
        save_curves(arguments.curves, curves)
    return evaluations


def _predicted(
    arguments: argparse.Namespace,
    weights: WeightsFile,
    settings: DetectionSettings,
    pictures: Sequence[Picture],
) -> list[Prediction]:
    """Predict all pictures with one model, continuing its predictions file."""
    from featherface.checkpoints.files import load_network
    from featherface.evaluation.predictions import resume_predictions
    from featherface.evaluation.run import Predictor, predict_pictures
    from featherface.models import MODELS

    output, finished = arguments.predictions, []
    if output is not None:
        if arguments.model == "all":
            output = output.with_stem(f"{output.stem}-{weights.key}")
        run = {"model": weights.key, "weights_sha256": weights.sha256, **asdict(settings)}
        finished = resume_predictions(output, run)
    return predict_pictures(
        Predictor(load_network(MODELS[weights.key], weights.path, weights.sha256), settings),
        pictures,
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
        picture_set=f"{name}, {arguments.source}" if arguments.source else name,
        resize=arguments.resize,
        side=arguments.size,
        date=now(),
        machine=asdict(this_machine()),
        evaluation=evaluation,
    )


def _print_evaluation(name: str, evaluation: Evaluation, truth: GroundTruth, as_json: bool) -> None:
    """Print one table, and say on standard error where it does not cover the whole ground truth."""
    if evaluation.pictures < len(truth.pictures):
        print(
            f"{name}: {evaluation.pictures:,} of the {len(truth.pictures):,} pictures of the "
            f"{truth.protocol} ground truth; the scores are of these alone.",
            file=sys.stderr,
        )
    if as_json:
        return
    print(f"{name}: average precision, {evaluation.protocol}, {evaluation.pictures:,} pictures")
    for subset, curve in evaluation.curves.items():
        score = f"{curve.average_precision:.4f}" if curve.faces else "-"
        interval = "95 % {:.3f} to {:.3f}, ".format(*curve.interval) if curve.interval else ""
        print(f"  {subset:<12}{score:>8}  {interval}of {curve.faces:,} faces")


def _evaluation_entry(evaluation: Evaluation) -> dict[str, float | None]:
    scores = {name: None if isnan(score) else score for name, score in evaluation.scores().items()}
    return scores | {"pictures": evaluation.pictures}


def add_detect(subparsers: Subparsers) -> None:
    """Declare `detect`."""
    command = _add_command(
        subparsers,
        "detect",
        _detect,
        "Find faces in photos with each model.\n\n"
        "A file that is no picture is reported on standard error and in the JSON; the others are still\n"
        "done and the exit status is 2.\n\n"
        'JSON: {"settings": {...}, "weights": {"v1": {"file", "sha256", "source"}, ...}, "photos": [\n'
        '  {"photo", "width", "height", "models": {"v1": {\n'
        '     "boxes": [[x1, y1, x2, y2], ...], "scores": [...], "landmarks": [[x, y of five points], ...],\n'
        '     "milliseconds": {"decode", "preprocess", "network", "postprocess"}}, ...},\n'
        '   "saved": path, with --save-dir},\n'
        '  {"photo", "error"}, ...]}\n'
        "Boxes and landmarks are in pixels of the upright photo, best score first.",
    )
    command.add_argument(
        "photos", nargs="+", type=Path, metavar="PHOTO", help="a picture, or a folder for those in it"
    )
    command.add_argument("--model", default="both", metavar="v1|v2|both", help="(default: %(default)s)")
    _add_network_options(command, resize="fit")
    command.add_argument(
        "--conf", type=float, default=DEFAULT_CONFIDENCE, help=_range_help("least score", CONFIDENCE_RANGE)
    )
    command.add_argument(
        "--nms", type=float, default=DEFAULT_NMS_IOU, help=_range_help("most overlap as IoU", NMS_IOU_RANGE)
    )
    command.add_argument("--top-k", type=int, metavar="N", help="at most N faces a photo (default: all)")
    command.add_argument(
        "--save-dir",
        type=Path,
        metavar="DIR",
        help="write each photo here with its faces, models side by side",
    )


def _add_network_options(command: argparse.ArgumentParser, resize: str) -> None:
    command.add_argument(
        "--weights",
        action="append",
        default=[],
        type=_weights_option,
        metavar="MODEL=FILE",
        help="a checkpoint of your own, as v1=FILE; once for each model (default: the shipped weights)",
    )
    command.add_argument(
        "--resize",
        choices=("fit", "original", "study"),
        default=resize,
        help="fit the longer side to --size, keep the original size, or stretch to a square of --size as the "
        "study did (default: %(default)s)",
    )
    command.add_argument("--size", type=int, default=DEFAULT_SIDE, help=_range_help("pixels", SIDE_RANGE))


def _range_help(what: str, allowed: tuple[float, float]) -> str:
    return f"{what}, {allowed[0]} to {allowed[1]} (default: %(default)s)"


def _weights_option(text: str) -> tuple[str, Path]:
    key, equals, file = text.partition("=")
    if not key or not equals or not file:
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form v1=FILE")
    return key, Path(file)


def _detect(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from featherface.detection.images import ImageError
    from featherface.serving.model_service import ModelService

    settings = _settings(arguments)
    service = ModelService()
    weights = _chosen_weights(service, _model_keys(arguments.model, "both"), dict(arguments.weights))
    paths = _expanded(arguments.photos)
    if arguments.save_dir is not None:
        arguments.save_dir.mkdir(parents=True, exist_ok=True)
    any_folder = any(path.is_dir() for path in arguments.photos)
    entries, saved = [], set()
    for path in tqdm(paths, disable=not any_folder, unit="photo", file=sys.stderr):
        try:
            photo, decode = _timed_decode(path)
            results = {
                key: service.detect(photo, key, settings, weights=file) for key, file in weights.items()
            }
        except ImageError as error:
            entries.append({"photo": str(path), "error": str(error)})
            tqdm.write(_error_line(str(error)), file=sys.stderr)
            continue
        entry = _photo_entry(path, photo, decode, results)
        if arguments.save_dir is not None:
            entry["saved"] = str(_save_pair(photo, results, arguments.save_dir, path.stem, saved))
        entries.append(entry)
        if not arguments.json:
            tqdm.write(_summary(entry), file=sys.stdout)
    if arguments.json:
        used = {key: _weights_entry(file) for key, file in weights.items()}
        print(json.dumps({"settings": asdict(settings), "weights": used, "photos": entries}))
    return _ERROR if any("error" in entry for entry in entries) else 0


def _settings(arguments: argparse.Namespace) -> DetectionSettings:
    from featherface.detection.preprocess import Resize
    from featherface.detection.settings import DetectionSettings

    return DetectionSettings(
        confidence=arguments.conf,
        nms_iou=arguments.nms,
        top_k=arguments.top_k,
        resize=Resize(arguments.resize),
        side=arguments.size,
    )


def _weights_entry(weights: WeightsFile) -> dict[str, str]:
    return {"file": str(weights.path), "sha256": weights.sha256, "source": weights.source}


def _chosen_weights(
    service: ModelService, keys: Sequence[str], own: Mapping[str, Path]
) -> dict[str, WeightsFile]:
    """Return the weights to use for each of `keys`: a person's own file where one is given."""
    from featherface.checkpoints.files import inspect_checkpoint
    from featherface.models import MODELS

    unused = set(own) - set(keys)
    if unused:
        raise CommandError(
            f"--weights names {', '.join(sorted(unused))}, but --model chooses {', '.join(keys)}."
        )
    chosen = {}
    for key in keys:
        status = None if key in own else service.weights_info(key)
        if status is None:
            chosen[key] = inspect_checkpoint(own[key], MODELS[key])
        elif status.weights is None:
            raise CommandError(f"{status.message} Give others with --weights {key}=FILE, or use --model.")
        else:
            chosen[key] = status.weights
    return chosen


def _expanded(paths: Sequence[Path]) -> list[Path]:
    """Return `paths` with the pictures of a folder, by name, in its place."""
    from PIL import Image

    from featherface.detection.images import FORMATS

    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
    suffixes |= {".heic", ".heif", ".svg"}  # cannot be read: to be reported, not passed over
    expanded = []
    for path in paths:
        if not path.is_dir():
            expanded.append(path)
            continue
        visible = (file for file in path.iterdir() if not file.name.startswith("."))
        pictures = sorted(file for file in visible if file.suffix.lower() in suffixes)
        if not pictures:
            raise CommandError(f"The folder {path} holds no pictures.")
        expanded += pictures
    return expanded


def _timed_decode(path: Path) -> tuple[Photo, float]:
    """Return the photo and the milliseconds that reading it took."""
    from featherface.detection.images import decode_photo

    start = time.perf_counter()
    return decode_photo(path), 1000 * (time.perf_counter() - start)


def _photo_entry(
    path: Path, photo: Photo, decode: float, results: Mapping[str, DetectionResult]
) -> dict[str, object]:
    models = {
        key: {
            **result.detections.to_dict(),
            "milliseconds": {
                stage: round(spent, 3) for stage, spent in {"decode": decode, **result.milliseconds}.items()
            },
        }
        for key, result in results.items()
    }
    return {"photo": str(path), "width": photo.width, "height": photo.height, "models": models}


def _summary(entry: Mapping[str, object]) -> str:
    parts = [
        f"{key} faces: {len(model['scores'])} in {sum(model['milliseconds'].values()):.0f} ms"
        for key, model in entry["models"].items()
    ]
    return f"{entry['photo']}: {', '.join(parts)}"


def _save_pair(
    photo: Photo, results: Mapping[str, DetectionResult], folder: Path, stem: str, saved: set[Path]
) -> Path:
    """Write the annotated photo once a model, side by side, under a name that this run has not used yet."""
    import numpy as np

    from featherface.detection.drawing import annotate, encode_picture
    from featherface.files import write_files
    from featherface.models import MODELS

    pair = np.hstack(
        [annotate(photo, result.detections, MODELS[key].colour) for key, result in results.items()]
    )
    kind = "jpeg" if pair.shape[1] <= MAX_DIMENSION else "png"  # JPEG can go no wider
    name, count = f"{stem}.{'-'.join(results)}", 1
    path = folder / f"{name}.{kind}"
    while path in saved:
        count += 1
        path = folder / f"{name}.{count}.{kind}"
    saved.add(path)
    write_files({path: encode_picture(pair, kind)})
    return path
