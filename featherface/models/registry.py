"""The registered models: everything else reads `MODELS`, so a further model is one more entry.

`OTHER_DETECTORS` are face detectors that are not FeatherFace, from model files that a visitor or the owner of
the server supplies. They stand beside the models where faces are detected or timed; the study is not about
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from torch import nn

from featherface.models import v1, v2
from featherface.models.face_network import FaceNetwork
from featherface.models.module_names import ModuleNames
from featherface.models.v1_names import V1_NAMES
from featherface.models.v2_names import V2_NAMES

__all__ = [
    "CENTERFACE",
    "MODELS",
    "OTHER_DETECTORS",
    "YUNET",
    "DetectorEntry",
    "ModelEntry",
    "detector_entry",
    "group_names",
    "model_pairs",
]

YUNET, CENTERFACE = "yunet", "centerface"  # keys in OTHER_DETECTORS


@dataclass(frozen=True, kw_only=True)
class DetectorEntry:
    """What people see of a face detector."""

    key: str  # in commands, file names and links
    short_name: str  # in column heads and legends
    name: str
    colour: str  # of boxes and chart lines, "#rrggbb"


@dataclass(frozen=True, kw_only=True)
class ModelEntry(DetectorEntry):
    """What the project knows of one model."""

    builder: Callable[[], FaceNetwork]  # makes the network with untrained weights
    weights: str  # file name in weights/
    names: ModuleNames = field(default_factory=ModuleNames)  # without it, paths stand for themselves
    # module classes that look at the whole image; measuring receptive fields skips them
    whole_image: tuple[type[nn.Module], ...] = ()


_ENTRIES = (
    ModelEntry(
        key="v1",
        short_name="V1",
        name="FeatherFace V1",
        builder=v1.FeatherFaceV1,
        weights="featherface_v1.safetensors",
        colour="#3b82f6",  # with V2's orange: distinct to the colour-blind, in light and dark
        names=V1_NAMES,
        whole_image=(v1.ChannelGate,),
    ),
    ModelEntry(
        key="v2",
        short_name="V2",
        name="FeatherFace V2",
        builder=v2.FeatherFaceV2,
        weights="featherface_v2.safetensors",
        colour="#f97316",
        names=V2_NAMES,
        whole_image=(v2.ChannelGate,),
    ),
)

# Read it where it is used and never copy it at import time: tests register further models for one test.
MODELS: Mapping[str, ModelEntry] = {entry.key: entry for entry in _ENTRIES}

OTHER_DETECTORS: Mapping[str, DetectorEntry] = {
    entry.key: entry
    for entry in (
        DetectorEntry(key=YUNET, short_name="YuNet", name="YuNet", colour="#db2777"),
        DetectorEntry(key=CENTERFACE, short_name="CenterFace", name="CenterFace", colour="#0d9488"),
    )
}


def detector_entry(key: str) -> DetectorEntry:
    """Return the entry of a model or of another detector. Raises KeyError."""
    return MODELS[key] if key in MODELS else OTHER_DETECTORS[key]


def group_names() -> tuple[str, ...]:
    """Return the groups of all registered models, each once, in the order of the data flow."""
    return tuple(dict.fromkeys(group for entry in MODELS.values() for group in entry.names.groups))


def model_pairs(others: Iterable[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return the keys of every two registered models and `others`, in the order of the registry."""
    return tuple(combinations((*MODELS, *others), 2))
