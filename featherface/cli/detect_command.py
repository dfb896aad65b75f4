"""`featherface detect`: faces in photos."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    ERROR,
    Command,
    CommandError,
    add_model_option,
    add_network_options,
    chosen_weights,
    error_line,
    model_keys,
    print_json,
    range_help,
)
from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_NMS_IOU,
    MAX_DIMENSION,
    NMS_IOU_RANGE,
)

if TYPE_CHECKING:
    from featherface.checkpoints import WeightsFile
    from featherface.detection.images import Photo
    from featherface.detection.settings import DetectionSettings
    from featherface.serving.model_service import DetectionResult

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photos", nargs="+", type=Path, metavar="PHOTO", help="a photo, or a folder of photos"
    )
    add_model_option(parser)
    add_network_options(parser, resize="fit")
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
    parser.add_argument("--top-k", type=int, metavar="N", help="at most N faces per photo (default: all)")
    parser.add_argument(
        "--save-dir",
        type=Path,
        metavar="DIR",
        help="save each photo with its faces drawn, models side by side",
    )


def _run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from featherface.detection.images import ImageError
    from featherface.serving.model_service import ModelService

    settings = _settings(arguments)
    service = ModelService()
    weights = chosen_weights(service, model_keys(arguments.model), dict(arguments.weights))
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
            tqdm.write(error_line(str(error)), file=sys.stderr)
            continue
        entry = _photo_entry(path, photo, decode, results)
        if arguments.save_dir is not None:
            entry["saved"] = str(_save_pair(photo, results, arguments.save_dir, path.stem, saved))
        entries.append(entry)
        if not arguments.json:
            tqdm.write(_summary(entry), file=sys.stdout)
    if arguments.json:
        used = {key: _weights_entry(file) for key, file in weights.items()}
        print_json({"settings": asdict(settings), "weights": used, "photos": entries})
    return ERROR if any("error" in entry for entry in entries) else 0


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


def _expanded(paths: Sequence[Path]) -> list[Path]:
    """Return `paths` with each folder replaced by the photos in it, sorted by name. Raises CommandError."""
    from PIL import Image

    from featherface.detection.images import FORMATS

    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
    suffixes |= {".heic", ".heif", ".svg"}  # unsupported: reported instead of silently skipped
    expanded = []
    for path in paths:
        if not path.is_dir():
            expanded.append(path)
            continue
        visible = (file for file in path.iterdir() if not file.name.startswith("."))
        photos = sorted(file for file in visible if file.suffix.lower() in suffixes)
        if not photos:
            raise CommandError(f"The folder {path} has no photos.")
        expanded += photos
    return expanded


def _timed_decode(path: Path) -> tuple[Photo, float]:
    """Return the photo and the milliseconds that reading it took. Raises ImageError."""
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
    """Save the photo with each model's faces side by side, under a name not yet used in this run."""
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


COMMAND = Command(
    summary="detect faces in photos",
    description="Detect faces in photos with each model.\n\n"
    "A file that cannot be read is reported on standard error and in the JSON; the other photos are still\n"
    "processed, and the exit status is 2.\n\n"
    'JSON: {"settings": {...}, "weights": {MODEL: {"file", "sha256", "source"}, ...}, "photos": [\n'
    '  {"photo", "width", "height", "models": {MODEL: {\n'
    '     "boxes": [[x1, y1, x2, y2], ...], "scores": [...], "landmarks": [[x, y of five points], ...],\n'
    '     "milliseconds": {"decode", "preprocess", "network", "postprocess"}}, ...},\n'
    '   "saved": path, with --save-dir},\n'
    '  {"photo", "error"}, ...]}\n'
    "Boxes and landmarks are in pixels of the upright photo, highest score first.",
    add_options=_add_options,
    run=_run,
)
