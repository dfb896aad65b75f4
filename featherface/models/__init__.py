"""The networks and their registry."""

from featherface.models.face_network import FaceNetwork
from featherface.models.registry import MODELS, ModelEntry, group_names, model_pairs

__all__ = ["MODELS", "FaceNetwork", "ModelEntry", "group_names", "model_pairs"]
