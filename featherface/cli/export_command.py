"""`featherface export`: the models as files for ONNX Runtime or OpenVINO."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from featherface.cli.common import (
    Command,
    CommandError,
    add_model_option,
    add_weights_option,
    chosen_weights,
    model_keys,
    photo_paths,
    print_json,
)

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    add_weights_option(parser)
    parser.add_argument(
        "--format", choices=("onnx", "openvino"), default="onnx", help="file format (default: %(default)s)"
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="float16 halves the file and still computes in float32; int8 computes with 8-bit integers "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--calibration",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="a photo or a folder of photos that sets the value ranges of int8, as those that the model will "
        "see, at their original size; may be repeated (default: ten of the sample photos)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")


def _run(arguments: argparse.Namespace) -> int:
    from featherface.checkpoints import load_network
    from featherface.engines.protocol import Precision
    from featherface.export.package import export_network
    from featherface.export.sample_images import SAMPLE_PHOTOS, calibration_images, input_images
    from featherface.export.variants import ExportFormat
    from featherface.models import MODELS
    from featherface.serving.model_service import ModelService

    weights = chosen_weights(ModelService(), model_keys(arguments.model), dict(arguments.weights))
    calibration = calibration_images(photo_paths(arguments.calibration))
    samples = input_images(SAMPLE_PHOTOS)
    records = {}
    for key, file in weights.items():
        export = export_network(
            MODELS[key],
            load_network(MODELS[key], file.path, file.sha256),
            ExportFormat(arguments.format),
            Precision(arguments.precision),
            samples,
            calibration,
            file.sha256,
        )
        archive = f"featherface_{key}_{arguments.format}_{arguments.precision}.zip"
        contents = {**export.files, archive: export.zipped()}
        _write(arguments.out, contents)
        records[key] = {
            "files": {name: len(data) for name, data in contents.items()},
            "parity": vars(export.parity),
        }
        if not arguments.json:
            for name, data in contents.items():
                print(f"{len(data):>10,} bytes  {arguments.out / name}")
            print(f"{MODELS[key].name}, compared with the network in float32: {export.parity}")
    if arguments.json:
        print_json(records)
    return 0


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    from featherface.files import write_files

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_files({folder / name: data for name, data in contents.items()})
    except OSError as error:
        raise CommandError(f"{error.filename or folder} cannot be written: {error.strerror}.") from error


COMMAND = Command(
    summary="write the models as ONNX or OpenVINO files",
    description="Write the models as files for another machine: the model, a README that describes inputs,\n"
    "outputs and post-processing, a script that runs it with that engine alone, and a zip archive of all.\n\n"
    'JSON: {MODEL: {"files": {NAME: BYTES, ...}, "parity": {"images": N, "faces": N, "gained": N,\n'
    '"lost": N, "box_drift": PX, "score_drift": D}}, ...}',
    add_options=_add_options,
    run=_run,
)
