"""`featherface detect`: faces in photos."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import (
    ALL_MODELS,
    ERROR,
    INTERRUPTED,
    Command,
    add_network_options,
    add_threshold_options,
    chosen_weights,
    detector_keys,
    error_line,
    find_photos,
)
from featherface.files import printable

if TYPE_CHECKING:
    from featherface.checkpoints import WeightsFile
    from featherface.detection.images import Photo
    from featherface.detection.settings import DetectionSettings
    from featherface.reporting.comparison import Comparison
    from featherface.serving.model_service import ModelService

__all__ = ["COMMAND"]

_NAMED = 50  # skipped files that standard error names; the JSON names all
_STEM_BYTES = 180  # of a photo's name in that of its annotated file: file systems allow 255 in all


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photos", nargs="+", type=Path, metavar="PHOTO", help="a photo, or a folder of photos"
    )
    parser.add_argument(
        "--recursive", action="store_true", help="also detect faces in photos in sub-folders of folders"
    )
    parser.add_argument(
        "--model",
        default=ALL_MODELS,
        metavar="MODEL",
        help="keys of models with commas between them, such as v1,yunet, or all; yunet and centerface need a "
        "model file (ONNX) in the weights folder or in --weights (default: %(default)s, without those)",
    )
    add_network_options(parser, resize="fit")
    add_threshold_options(parser)
    parser.add_argument(
        "--scales",
        choices=("auto", "1"),
        help="auto: also run close-ups at half the size and photos with small faces at their original size; "
        "1: one size, as in the study (default: auto with --resize fit, otherwise 1)",
    )
    parser.add_argument(
        "--rotated",
        action="store_true",
        help="also search the photo turned by 90, 180 and 270 degrees; takes four times as long",
    )
    parser.add_argument("--top-k", type=int, metavar="N", help="at most N faces per photo (default: all)")
    parser.add_argument(
        "--save-dir",
        type=Path,
        metavar="DIR",
        help="save each photo with its faces drawn, models side by side",
    )


def _run(arguments: argparse.Namespace) -> int:
    from featherface.reporting.comparison import detections_document
    from featherface.serving.model_service import ModelService

    settings = _settings(arguments)
    service = ModelService(engine=arguments.engine)
    weights = chosen_weights(service, detector_keys(arguments.model), dict(arguments.weights))
    found = find_photos(arguments.photos, recursive=arguments.recursive)
    _report_skipped(found.skipped)
    if arguments.save_dir is not None:
        arguments.save_dir.mkdir(parents=True, exist_ok=True)
    if arguments.json:
        _print_json_start(detections_document(weights, dict.fromkeys(weights, settings), []))
    done, failed, interrupted = 0, False, False
    try:
        for entry in _detect_all(arguments, found.photos, service, weights, settings):
            done, failed = done + 1, failed or "error" in entry
            if arguments.json:
                print(("" if done == 1 else ",") + json.dumps(entry), flush=True)
    except KeyboardInterrupt:  # what is done by then is kept
        interrupted = True
        print(error_line(f"Stopped after {done} of {len(found.photos)} photos."), file=sys.stderr)
    finally:
        if arguments.json:
            _print_json_end(found.skipped, interrupted=interrupted)
    if interrupted:
        return INTERRUPTED
    return ERROR if failed else 0


def _print_json_start(document: Mapping[str, object]) -> None:
    """Print a document up to its photos, which are its last key and follow in one line each."""
    print(json.dumps(document).removesuffix("]}"), flush=True)


def _print_json_end(skipped: Sequence[tuple[Path, str]], *, interrupted: bool) -> None:
    ending: dict[str, object] = {}
    if skipped:
        ending["skipped"] = [{"path": printable(str(path)), "reason": reason} for path, reason in skipped]
    if interrupted:
        ending["interrupted"] = True
    print("]" + "".join(f', "{key}": {json.dumps(value)}' for key, value in ending.items()) + "}")


def _report_skipped(skipped: Sequence[tuple[Path, str]]) -> None:
    """Print one line on standard error for each reason for which something in a folder is left out."""
    reasons: dict[str, list[str]] = {}
    for path, reason in skipped:
        reasons.setdefault(reason, []).append(printable(str(path)))
    for reason, names in reasons.items():
        more = len(names) - _NAMED
        listed = ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        print(error_line(f"Skipped ({reason}): {listed}"), file=sys.stderr)


def _settings(arguments: argparse.Namespace) -> DetectionSettings:
    from featherface.detection.preprocess import Resize
    from featherface.detection.settings import DetectionSettings, Scales

    scales = arguments.scales or ("auto" if arguments.resize == "fit" else "1")
    return DetectionSettings(
        confidence=arguments.conf,
        nms_iou=arguments.nms,
        top_k=arguments.top_k,
        resize=Resize(arguments.resize),
        input_size=arguments.size,
        scales=Scales(scales),
        rotated=arguments.rotated,
    )


def _detect_all(
    arguments: argparse.Namespace,
    paths: Sequence[Path],
    service: ModelService,
    weights: Mapping[str, WeightsFile],
    settings: DetectionSettings,
) -> Iterator[dict[str, object]]:
    """Run the models on each photo, save and summarise the result, and yield the photo's JSON."""
    from tqdm import tqdm

    from featherface.detection.images import ImageError

    any_folder = any(path.is_dir() for path in arguments.photos)
    saved: set[Path] = set()
    for path in tqdm(paths, disable=not any_folder, unit="photo", file=sys.stderr):
        try:
            photo, comparison = _compared(path, service, weights, settings)
            entry = comparison.photo_entry()
            if arguments.save_dir is not None:
                saved_path = _save(photo, comparison, arguments.save_dir, path.stem, saved)
                entry["saved"] = printable(str(saved_path))
        except ImageError as error:
            tqdm.write(error_line(str(error)), file=sys.stderr)
            yield {"photo": printable(str(path)), "error": str(error)}
            continue
        if photo.notice:
            entry["notice"] = photo.notice
            tqdm.write(error_line(f"{comparison.name}: {photo.notice}"), file=sys.stderr)
        if not arguments.json:
            tqdm.write(_summary(comparison), file=sys.stdout)
        yield entry


def _compared(
    path: Path, service: ModelService, weights: Mapping[str, WeightsFile], settings: DetectionSettings
) -> tuple[Photo, Comparison]:
    """Decode a photo and run the models on it. Raises ImageError."""
    from featherface.detection.images import decode_photo
    from featherface.reporting.comparison import compare

    start = time.perf_counter()
    photo = decode_photo(path)
    decode = 1000 * (time.perf_counter() - start)
    results = {
        key: service.merged_candidates(photo, key, settings, weights=file) for key, file in weights.items()
    }
    size = photo.width, photo.height
    return photo, compare(printable(str(path)), size, results, dict.fromkeys(results, settings), decode)


def _summary(comparison: Comparison) -> str:
    from featherface.models import detector_entry
    from featherface.reporting.wording import faces_text

    parts = [
        f"{detector_entry(key).short_name} {faces_text(len(faces))} in "
        f"{sum(comparison.results[key].milliseconds.values()):.0f} ms"
        for key, faces in comparison.faces.items()
    ]
    return f"{comparison.name}: {', '.join(parts)}"


def _save(photo: Photo, comparison: Comparison, folder: Path, stem: str, saved: set[Path]) -> Path:
    """Save the photo with each model's faces, under a name not yet used in this run, and return the path."""
    from featherface.files import write_files

    stem = printable(stem).replace("\\", "_").encode()[:_STEM_BYTES].decode(errors="ignore")
    name, count = f"{stem}.{'-'.join(comparison.faces)}", 1
    path = folder / f"{name}.jpeg"
    while path in saved:
        count += 1
        path = folder / f"{name}.{count}.jpeg"
    saved.add(path)
    write_files({path: comparison.annotated_file(photo, "jpeg")})
    return path


COMMAND = Command(
    summary="detect faces in photos",
    description="Detect faces in photos with each model.\n\n"
    "A file that cannot be read is reported on standard error and in the JSON; the other photos are still\n"
    "processed, and the exit status is 2. What a folder holds besides photos is named on standard error and\n"
    "in the JSON. Ctrl-C stops the run and keeps what is done; the exit status is then 130.\n\n"
    "The JSON is one document, printed as it grows: each photo is one line, as soon as it is done.\n"
    'JSON: {"weights": {MODEL: {"file", "sha256", "source"}, ...},\n'
    '  "settings": {MODEL: {"confidence", "nms_iou", "top_k", "resize", "input_size", "scales",\n'
    '    "rotated"}, ...}, "photos": [\n'
    '    {"photo", "width", "height", "decode_milliseconds", "models": {MODEL: {\n'
    '       "boxes": [[x1, y1, x2, y2], ...], "scores": [...], "landmarks": [[x, y of five points], ...],\n'
    '       "milliseconds": {"preprocess", "network", "postprocess"}, and if the model ran more than once\n'
    '       "passes": [{"input_size": [width, height], "degrees", "milliseconds"}, ...] and "found_by", the\n'
    "       index of the pass that found each face}, ...},\n"
    '     "saved": path, with --save-dir, "notice": sentence about a blank or incomplete photo},\n'
    '    {"photo", "error"}, ...], "skipped": [{"path", "reason"}, ...] and "interrupted": true, if so}\n'
    "Boxes and landmarks are in pixels of the upright photo, highest score first. In paths, line breaks and\n"
    "bytes that are not UTF-8 are escaped.",
    add_options=_add_options,
    run=_run,
)
