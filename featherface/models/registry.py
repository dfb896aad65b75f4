"""The models that everything else picks up: a further model is one more entry of `MODELS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from featherface.models.v1 import FeatherFaceV1, V1Config
from featherface.models.v2 import FeatherFaceV2, V2Config

__all__ = ["GROUPS", "MODELS", "ModelEntry"]

GROUPS = ("Backbone", "CBAM", "BiFPN", "SSH", "Heads")  # the study's grouping, in the order of the data flow


@dataclass(frozen=True)
class ModelEntry:
    """What the project knows of one model.

    `groups` maps each name of `GROUPS` to the state-dict key prefixes that belong to it.
    """

    key: str  # short name in commands, files and links
    name: str  # what people read
    builder: Callable[[], nn.Module]  # makes the network with untrained weights
    config: object  # the frozen dataclass of the network's sizes
    weights: str  # file name in weights/
    colour: str  # boxes and chart lines; both colours are told apart by the colour-blind, in light and dark
    groups: Mapping[str, tuple[str, ...]]


_ENTRIES = (
    ModelEntry(
        key="v1",
        name="FeatherFace V1",
        builder=FeatherFaceV1,
        config=V1Config(),
        weights="featherface_v1.safetensors",
        colour="#3b82f6",
        groups={
            "Backbone": ("body.",),
            "CBAM": ("bacbkbone_", "bif_cbam_"),
            "BiFPN": ("bifpn.",),
            "SSH": ("ssh",),
            "Heads": ("ClassHead.", "BboxHead.", "LandmarkHead."),
        },
    ),
    ModelEntry(
        key="v2",
        name="FeatherFace V2",
        builder=FeatherFaceV2,
        config=V2Config(),
        weights="featherface_v2.safetensors",
        colour="#f97316",
        groups={
            "Backbone": ("body.",),
            "CBAM": ("backbone_cbam_manager.", "bifpn_cbam_manager."),
            "BiFPN": ("bifpn.",),
            "SSH": ("ssh",),
            "Heads": ("shared_heads.",),
        },
    ),
)

MODELS: Mapping[str, ModelEntry] = MappingProxyType({entry.key: entry for entry in _ENTRIES})
