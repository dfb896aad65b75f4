"""Results on close-ups and on images without faces, as `benchmarks/hard_cases.py` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featherface.detection.preprocess import Resize
from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.no_face_set import FalsePositives

__all__ = ["HardCases", "HardCasesError", "SavedHardCases", "load_hard_cases"]


class HardCasesError(FeatherFaceError):
    """A file is not a readable result on hard cases; the message names the file and says why."""


@dataclass(frozen=True)
class HardCases:
    """What a model finds on hard images at one input size.

    close_ups: images that a face fills; found: those on which it is found; other_boxes: further detections.
    """

    close_ups: int
    found: int
    other_boxes: int
    photos: FalsePositives  # photos without faces
    textures: FalsePositives  # generated textures


@dataclass(frozen=True)
class SavedHardCases:
    """The results of one model by resize mode, with certain weights and at one confidence threshold."""

    model: str
    weights_sha256: str
    confidence: float
    by_resize: Mapping[Resize, HardCases]


def load_hard_cases(path: Path) -> list[SavedHardCases]:
    """Read the results of all models in a file. Raises HardCasesError."""
    try:
        return [_saved(row) for row in json.loads(path.read_bytes())]
    except KeyError as error:
        raise HardCasesError(sentence(f"{path} lacks the field {error}.")) from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise HardCasesError(sentence(f"{path} is not a readable result on hard cases: {error}.")) from error


def _saved(row: Mapping[str, Any]) -> SavedHardCases:
    model, checksum, confidence = row["model"], row["weights_sha256"], row["confidence"]
    if not isinstance(model, str) or not isinstance(checksum, str):
        raise TypeError("'model' or 'weights_sha256' is not text")
    if not isinstance(confidence, float) or not 0 <= confidence <= 1:
        raise ValueError("'confidence' is not a number from 0 to 1")
    modes = [mode for mode in Resize if mode.value in row]
    if not modes:
        raise ValueError("there is no result at any input size")
    return SavedHardCases(model, checksum, confidence, {mode: _cases(row[mode.value]) for mode in modes})


def _cases(entry: Mapping[str, Any]) -> HardCases:
    close_ups = entry["close_ups"]
    images, found = _count(close_ups["images"]), _count(close_ups["found"])
    if found > images:
        raise ValueError("more close-ups are found than there are")
    photos, textures = entry["photos_without_faces"], entry["textures"]
    return HardCases(
        images, found, _count(close_ups["other_boxes"]), _false_positives(photos), _false_positives(textures)
    )


def _false_positives(entry: Mapping[str, Any]) -> FalsePositives:
    images, affected = _count(entry["images"]), _count(entry["images_with_detections"])
    detections = _count(entry["detections"])
    if not affected <= min(images, detections):
        raise ValueError("more images with detections than there are images or detections")
    return FalsePositives(images, detections, affected)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value
