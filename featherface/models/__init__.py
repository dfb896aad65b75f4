"""The networks and their registry."""

from featherface.models.face_network import FaceNetwork
from featherface.models.registry import (
    CENTERFACE,
    MODELS,
    OTHER_DETECTORS,
    YUNET,
    DetectorEntry,
    ModelEntry,
    detector_entry,
    group_names,
    model_pairs,
)

__all__ = [
    "CENTERFACE",
    "MODELS",
    "OTHER_DETECTORS",
    "YUNET",
    "DetectorEntry",
    "FaceNetwork",
    "ModelEntry",
    "detector_entry",
    "group_names",
    "model_pairs",
]
