"""Files of trained weights: strict reading, records of their origin, and the folder that holds them."""

from featherface.checkpoints.formats import WeightsError
from featherface.checkpoints.loading import inspect_checkpoint, load_network, verify
from featherface.checkpoints.records import WeightsFile, record_path, save_weights
from featherface.checkpoints.weights_folder import UserCheckpoint, shipped_weights, user_checkpoints

__all__ = [
    "UserCheckpoint",
    "WeightsError",
    "WeightsFile",
    "inspect_checkpoint",
    "load_network",
    "record_path",
    "save_weights",
    "shipped_weights",
    "user_checkpoints",
    "verify",
]
