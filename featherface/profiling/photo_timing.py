"""How long each stage takes from a photo file to its faces; needs no PyTorch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from featherface.detection.detector import Detector
from featherface.detection.images import decode_photo
from featherface.detection.postprocess import select
from featherface.detection.settings import DetectionSettings

if TYPE_CHECKING:  # it loads ONNX Runtime, which not every measured process should hold
    from featherface.detection.other_detectors import OtherDetector

__all__ = ["STAGES", "timed_detection"]

STAGES = ("decode", "preprocess", "network", "postprocess")  # in this order


def timed_detection(
    detector: Detector | OtherDetector, source: bytes, settings: DetectionSettings
) -> Mapping[str, float]:
    """Detect the faces in the photo file `source` and return the milliseconds of each of STAGES."""
    start = time.perf_counter()
    photo = decode_photo(source)
    decode = _milliseconds_since(start)
    (raw,) = detector.candidates([photo], settings.resize, settings.input_size)
    start = time.perf_counter()
    select(raw.candidates, settings.confidence, settings.nms_iou, settings.top_k)
    postprocess = raw.milliseconds["postprocess"] + _milliseconds_since(start)
    return {"decode": decode, **raw.milliseconds, "postprocess": postprocess}


def _milliseconds_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
