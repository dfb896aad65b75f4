"""The networks and their registry."""

from featherface.models.registry import GROUPS, MODELS, ModelEntry

__all__ = ["GROUPS", "MODELS", "ModelEntry"]
