"""Close-ups and images without faces: how often each model misses the face, and how often it reports one."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from featherface.checkpoints import inspect_checkpoint, load_network
from featherface.config import DEFAULT_CONFIDENCE, WEIGHTS_DIR
from featherface.detection.boxes import iou_matrix
from featherface.detection.detector import Detector
from featherface.detection.images import Photo, decode_photo
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.engines.choice import load_engine
from featherface.evaluation.manifest import read_image_bytes, read_manifest
from featherface.evaluation.no_face_set import count_false_positives, generated_textures
from featherface.models import MODELS

_CLOSE_UPS = 25
_MATCH_IOU = 0.5  # of the largest detection with the whole crop
_TEXTURES, _SEED = 60, 1_000_003
_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".gif"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hard_cases", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="labelled images to crop close-ups from")
    parser.add_argument("--source", help="one source of the manifest")
    parser.add_argument("--no-faces", type=Path, required=True, help="folder of images without faces")
    parser.add_argument("--weights", action="append", default=[], metavar="MODEL=FILE")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    files = [tuple(text.split("=", 1)) for text in given.weights]
    files = files or [(key, WEIGHTS_DIR / entry.weights) for key, entry in MODELS.items()]
    close_ups = _largest_faces(given.manifest, given.source)
    photos = [
        decode_photo(path) for path in sorted(given.no_faces.iterdir()) if path.suffix.lower() in _SUFFIXES
    ]
    textures = [decode_photo(pixels) for pixels in generated_textures(_TEXTURES, seed=_SEED)]
    rows = []
    for key, file in files:
        weights = inspect_checkpoint(Path(file), MODELS[key])
        detector = Detector(load_engine(load_network(MODELS[key], weights.path, weights.sha256)))
        row: dict[str, object] = {
            "model": key,
            "weights_sha256": weights.sha256,
            "confidence": DEFAULT_CONFIDENCE,
        }
        for resize in (Resize.ORIGINAL, Resize.FIT):
            settings = DetectionSettings(resize=resize)
            found, extra = _close_up_results(detector, close_ups, settings)
            row[resize.value] = {
                "close_ups": {"images": len(close_ups), "found": found, "other_boxes": extra},
                "photos_without_faces": _counts(detector, photos, settings),
                "textures": _counts(detector, textures, settings),
            }
        print(json.dumps(row, indent=1), flush=True)
        rows.append(row)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def _counts(detector: Detector, photos: list[Photo], settings: DetectionSettings) -> dict[str, float]:
    result = count_false_positives(detector, photos, settings)
    return asdict(result) | {"per_image": round(result.per_image, 4)}


def _largest_faces(manifest: Path, source: str | None) -> list[Photo]:
    """Return crops, exactly to the box, of the largest labelled face of the images with the largest faces."""
    sizes = []
    records = read_manifest(manifest, source)
    for number, record in enumerate(records):
        heights = (record.boxes[:, 3] - record.boxes[:, 1]) * ~record.ignore
        if len(heights):
            sizes.append((float(heights.max()), number, int(heights.argmax())))
    crops = []
    for _, number, face in sorted(sizes, reverse=True)[:_CLOSE_UPS]:
        photo = decode_photo(read_image_bytes(records[number]))
        x1, y1, x2, y2 = records[number].boxes[face].round().astype(int).clip(0)
        crops.append(decode_photo(photo.pixels[y1:y2, x1:x2]))
    return crops


def _close_up_results(
    detector: Detector, close_ups: list[Photo], settings: DetectionSettings
) -> tuple[int, int]:
    """Return on how many close-ups the face is found, and how many other boxes are reported."""
    found, extra = 0, 0
    for photo in close_ups:
        boxes = detector.detect(photo, settings).boxes.clip(0, (photo.width, photo.height) * 2)
        whole = torch.tensor([[0.0, 0.0, photo.width, photo.height]]).numpy()
        hit = bool(len(boxes)) and bool((iou_matrix(boxes, whole) >= _MATCH_IOU).any())
        found += hit
        extra += len(boxes) - hit
    return found, extra


if __name__ == "__main__":
    sys.exit(main())
