"""`featherface bench`: latency of the models on this machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    Command,
    CommandError,
    add_threads_option,
    finished_points,
    print_json,
)
from featherface.config import DEFAULT_INPUT_SIZE, weights_folder

if TYPE_CHECKING:
    from featherface.engines.protocol import Precision
    from featherface.profiling.latency import LatencyResult, SpeedUp

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[DEFAULT_INPUT_SIZE],
        metavar="N",
        help=f"sizes of the square input in pixels (default: {DEFAULT_INPUT_SIZE})",
    )
    parser.add_argument(
        "--runs", type=int, default=50, metavar="N", help="rounds per size (default: %(default)s)"
    )
    parser.add_argument(
        "--warmup",
        type=int,
        default=5,
        metavar="N",
        help="warm-up rounds per size, discarded (default: %(default)s)",
    )
    add_threads_option(parser)
    parser.add_argument(
        "--engine",
        nargs="+",
        default=[None],
        metavar="ENGINE",
        help="one or more of onnxruntime, openvino and pytorch, or all that are installed with `all` "
        "(default: FEATHERFACE_ENGINE, or the fastest installed)",
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        default=["float32"],
        metavar="PRECISION",
        help="one or more of float32, float16, bfloat16 and int8, or `all`; where several are named, an "
        "engine leaves out those that it does not run (default: float32)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the results to this JSON file")
    parser.add_argument(
        "--photo",
        type=Path,
        metavar="FILE",
        help="time every stage from this file to its faces, instead of the network alone",
    )


def _run(arguments: argparse.Namespace) -> int:
    from featherface.profiling.latency import BenchmarkPhoto, LatencySettings, benchmark
    from featherface.study.results import load_networks

    points = [
        LatencySettings(size, size, 1, arguments.threads, arguments.runs, arguments.warmup, engine, precision)
        for engine, precision in _engines(arguments.engine, arguments.precision)
        for size in arguments.sizes
    ]
    photo = arguments.photo and BenchmarkPhoto(arguments.photo.name, arguments.photo.read_bytes())
    networks, _ = load_networks(weights_folder())
    results = finished_points(benchmark(networks, points, photo))
    record = {"points": [_point(result) for result in results]}
    if arguments.out is not None:
        _write(arguments.out, record)
    if arguments.json:
        print_json(record)
        return 0
    for result in results:
        _print_point(result)
    return 0


def _engines(engines: Sequence[str | None], precisions: Sequence[str]) -> list[tuple[str, Precision]]:
    """Return the engines and precisions to measure. Raises CommandError and EngineError."""
    from featherface.engines.choice import ENGINES, chosen_engine, installed_engines
    from featherface.engines.protocol import Precision

    keys = installed_engines() if "all" in engines else [chosen_engine(key).key for key in engines]
    unknown = [name for name in precisions if name not in (*Precision, "all")]
    if unknown:
        raise CommandError(
            f"There is no precision {unknown[0]!r}; choose from {', '.join(Precision)} or all."
        )
    wanted = list(Precision) if "all" in precisions else [Precision(name) for name in precisions]
    found = [(key, one) for key in keys for one in wanted if one in ENGINES[key].file_precisions]
    if not found:
        names = ", ".join(ENGINES[key].name for key in keys)
        raise CommandError(f"{names} cannot run the models in {', '.join(wanted)}.")
    return found


def _write(path: Path, record: Mapping[str, object]) -> None:
    from featherface.files import write_files

    try:
        write_files({path: json.dumps(record, indent=1).encode() + b"\n"})
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error


def _point(result: LatencyResult) -> dict[str, object]:
    from featherface.profiling.latency import noise, summary

    return {
        **result.as_record(),
        "summary": {key: asdict(summary(result, key)) for key in result.milliseconds},
        "speed_up": {key: asdict(found) for key, found in _speed_ups(result).items()},
        "noise": asdict(noise(result)),
    }


def _speed_ups(result: LatencyResult) -> dict[str, SpeedUp]:
    """Return how many times faster than the first model each other model is."""
    from featherface.profiling.latency import speed_up

    first, *others = result.milliseconds
    return {key: speed_up(result, first, key) for key in others}


def _print_point(result: LatencyResult) -> None:
    from featherface.engines.choice import ENGINES
    from featherface.models import MODELS
    from featherface.profiling.latency import noise, summary

    settings, photo = result.settings, result.photo
    size = f"{settings.width} x {settings.height}"
    if photo is not None:
        size = (
            f"{photo.input_width} x {photo.input_height} from {photo.name} ({photo.width} x {photo.height})"
        )
    print(
        f"{size}, {ENGINES[settings.engine].name} {result.engine_version}, "
        f"{settings.precision}, {settings.threads} threads, {result.rounds} rounds"
    )
    for key in result.milliseconds:
        found = summary(result, key)
        stages = ", ".join(f"{stage} {milliseconds:.1f}" for stage, milliseconds in found.stages.items())
        print(
            f"  {MODELS[key].short_name}: median {found.median:.1f} ms, p95 {found.p95:.1f}, "
            f"p99 {found.p99:.1f} ({stages})"
        )
    for key, ratio in _speed_ups(result).items():
        print(
            f"  {MODELS[key].short_name} speed-up: {ratio.ratio:.2f}x, "
            f"95% confidence interval {ratio.low:.2f} to {ratio.high:.2f}"
        )
    for reason in noise(result).reasons:
        print(f"  noisy: {reason}")


COMMAND = Command(
    summary="measure latency on this machine",
    description="Measure the latency of all models on this machine, running them alternately on the same\n"
    "input. Ctrl-C stops early and reports the rounds finished so far. The Latency page shows the file of\n"
    "--out beside those of other machines.\n\n"
    'JSON: {"points": [{"settings", "machine", "when", "complete", "cpu_share", "engine_version",\n'
    '  "photo": null or {"name", "sha256", "width", "height", "input_width", "input_height"},\n'
    '  "milliseconds": {MODEL: {STAGE: [...]}, ...},\n'
    '  "summary": {MODEL: {"median", "p95", "p99", "fastest", "stages", "frames_per_second"}, ...},\n'
    '  "speed_up": {MODEL: {"ratio", "low", "high"}, ...} (over the first model, 95% bootstrap interval),\n'
    '  "noise": {"spread", "drift", "starvation", "reasons"}}, ...]}',
    add_options=_add_options,
    run=_run,
)
