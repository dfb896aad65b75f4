"""Networks with the weights that ship, and what PyTorch computes with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest
import torch

from featherface.checkpoints import load_network
from featherface.config import PIXEL_MEAN_BGR, WEIGHTS_DIR
from featherface.engines.protocol import Predictions
from featherface.models import MODELS, FaceNetwork

Reference = Callable[[str, np.ndarray], Predictions]


@pytest.fixture(scope="session")
def networks() -> Mapping[str, FaceNetwork]:
    return {key: load_network(entry, WEIGHTS_DIR / entry.weights) for key, entry in MODELS.items()}


@pytest.fixture(scope="session")
def reference(networks: Mapping[str, FaceNetwork]) -> Reference:
    """The network as it is defined, called by hand; once for the same images."""

    @cache
    def computed(key: str, data: bytes, shape: tuple[int, ...]) -> Predictions:
        images = np.frombuffer(data, np.uint8).reshape(shape)
        bgr = images[..., ::-1].astype(np.float32) - np.float32(PIXEL_MEAN_BGR)
        with torch.inference_mode():
            outputs = networks[key](torch.from_numpy(bgr.transpose(0, 3, 1, 2).copy()))
        return Predictions(*(output.numpy() for output in outputs))

    return lambda key, images: computed(key, images.tobytes(), images.shape)


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Maker of random images (N, H, W, 3), the same for the same shape."""

    def make(*shape: int) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)

    return make
