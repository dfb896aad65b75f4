"""Clips made with OpenCV's own encoders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def encoded(tmp_path: Path) -> Callable[..., bytes]:
    """Return a function that encodes BGR frames with one of OpenCV's encoders."""

    def encode(frames: list[np.ndarray], suffix: str, codec: str, rate: float = 10.0) -> bytes:
        path = tmp_path / f"clip{suffix}"
        height, width = frames[0].shape[:2]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (width, height))
        assert writer.isOpened()
        for frame in frames:
            writer.write(frame)
        writer.release()
        return path.read_bytes()

    return encode
