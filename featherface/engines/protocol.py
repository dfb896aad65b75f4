"""What every engine offers: uint8 images in, the network's three outputs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from featherface.config import MIN_INPUT_SIZE
from featherface.errors import FeatherFaceError

__all__ = [
    "INPUT",
    "OUTPUTS",
    "Engine",
    "EngineError",
    "EngineInfo",
    "Precision",
    "Predictions",
    "check_images",
    "memory_errors",
]

INPUT = "image"  # name of a model's input, in files
OUTPUTS = {"loc": 4, "conf": 2, "landm": 10}  # names of its outputs, and their values per anchor

# how ONNX Runtime, OpenVINO and PyTorch say it, none of them with an exception type of its own
_NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "can't allocate memory", "not enough memory")


class EngineError(FeatherFaceError):
    """An engine cannot be used or cannot run a network; the message is one sentence."""


class Predictions(NamedTuple):
    """What a network predicts per anchor, float32; A is 2 per cell of strides 8, 16 and 32."""

    loc: npt.NDArray[np.float32]  # (N, A, 4) box offsets
    conf: npt.NDArray[np.float32]  # (N, A, 2) probabilities; index 1 is "face"
    landm: npt.NDArray[np.float32]  # (N, A, 10) landmark offsets


class Precision(StrEnum):
    """The number format in which a network is stored and computed."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


@dataclass(frozen=True)
class EngineInfo:
    """What runs a network, and how."""

    key: str  # of the engine in ENGINES
    name: str  # for people
    version: str  # of the library
    precision: Precision
    threads: int  # that one pass uses


class Engine(Protocol):
    """A network loaded for inference; threads may share it."""

    @property
    def info(self) -> EngineInfo:
        """Return what runs the network."""

    def run(self, images: npt.NDArray[np.uint8]) -> Predictions:
        """Run the network on RGB `images` (N, H, W, 3), uint8, H and W at least 32.

        Raises EngineError for another shape or type, and MemoryError.
        """


def check_images(images: npt.NDArray[np.uint8]) -> None:
    """Raise EngineError unless `images` are (N, H, W, 3) uint8, N at least 1, H and W at least 32."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[0] < 1 or images.shape[3] != 3:
        raise EngineError(
            f"An engine takes uint8 images of shape (N, H, W, 3), not {images.dtype} {images.shape}."
        )
    if min(images.shape[1:3]) < MIN_INPUT_SIZE:
        height, width = images.shape[1:3]
        raise EngineError(
            f"An engine takes images of at least {MIN_INPUT_SIZE} x {MIN_INPUT_SIZE} pixels, "
            f"not {width} x {height}; pad them."
        )


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn an engine's error for exhausted memory into a MemoryError."""
    try:
        yield
    except Exception as error:
        if any(words in str(error) for words in _NO_MEMORY):
            raise MemoryError("The engine has no memory for a pass of this size.") from error
        raise
