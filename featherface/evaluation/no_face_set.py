"""False positives on images without faces: any folder of such images, and generated textures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from featherface.detection.detector import Detector
from featherface.detection.images import Photo
from featherface.detection.settings import DetectionSettings

__all__ = ["FalsePositives", "count_false_positives", "generated_textures"]

_Field = NDArray[np.float64]  # (S, S), values around 0 with a spread of about 1


@dataclass(frozen=True)
class FalsePositives:
    """How often a detector reports a face where there is none."""

    images: int
    detections: int
    images_with_detections: int

    @property
    def per_image(self) -> float:
        """Return the mean number of false positives per image."""
        return self.detections / self.images if self.images else 0.0


def count_false_positives(
    detector: Detector, photos: Iterable[Photo], settings: DetectionSettings
) -> FalsePositives:
    """Count the detections of `detector` on `photos`, none of which shows a face. Raises ImageError."""
    counts = [len(detector.detect(photo, settings)) for photo in photos]
    return FalsePositives(len(counts), sum(counts), sum(count > 0 for count in counts))


def generated_textures(count: int, size: int = 512, *, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Yield `count` textures (`size`, `size`, 3) uint8 RGB; the same ones for the same seed.

    Noise of several octaves, cells, stripes, blobs, grids and lines in turn, in two random colours, which for
    a third of them are skin tones.
    """
    rng = np.random.default_rng(seed)
    kinds: tuple[Callable[[np.random.Generator, int], _Field], ...] = (
        lambda rng, size: _noise(rng, size, rng.uniform(0.5, 3)),
        _cells,
        _stripes,
        _blobs,
        _grid,
        _lines,
    )
    for index in range(count):
        yield _coloured(rng, kinds[index % len(kinds)](rng, size))


def _noise(rng: np.random.Generator, size: int, power: float) -> _Field:
    """Return noise whose spectrum falls with the frequency to the power of -`power`."""
    frequencies = np.fft.fftfreq(size)[:, None] ** 2 + np.fft.rfftfreq(size)[None] ** 2
    frequencies[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequencies ** (power / 2)
    field: _Field = np.fft.irfft2(spectrum, s=(size, size))
    normalised: _Field = (field - field.mean()) / field.std()
    return normalised


def _cells(rng: np.random.Generator, size: int) -> _Field:
    division = cv2.Subdiv2D((0, 0, size, size))
    for x, y in rng.uniform(0, size - 1, (_log_integer(rng, 20, 1500), 2)):
        division.insert((float(x), float(y)))
    field = np.zeros((size, size))
    for polygon in division.getVoronoiFacetList([])[0]:
        corners = np.asarray(polygon, np.int32)
        cv2.fillConvexPoly(field, corners, float(rng.normal()))
        cv2.polylines(field, [corners], True, -2.0, int(rng.integers(1, 4)))
    return field


def _stripes(rng: np.random.Generator, size: int) -> _Field:
    y, x = np.mgrid[:size, :size]
    angle, width = rng.uniform(0, np.pi), rng.uniform(4, 80)
    phase = (x * np.cos(angle) + y * np.sin(angle)) / width * 2 * np.pi
    field: _Field = np.sin(phase + rng.uniform(0, 3) * _noise(rng, size, 2.5))
    return np.sign(field) if rng.random() < 0.5 else field


def _blobs(rng: np.random.Generator, size: int) -> _Field:
    field = np.zeros((size, size))
    for _ in range(_log_integer(rng, 8, 400)):
        x, y = rng.integers(0, size, 2).tolist()
        axes = _log_integer(rng, 4, 80), _log_integer(rng, 4, 80)
        cv2.ellipse(field, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, float(rng.normal()), -1)
    return np.asarray(cv2.GaussianBlur(field, (0, 0), rng.uniform(0.5, 6)), np.float64)


def _grid(rng: np.random.Generator, size: int) -> _Field:
    y, x = np.mgrid[:size, :size]
    wide, high = rng.integers(8, 100, 2)
    return np.asarray((x // wide + y // high) % 2 * 2.0 - 1)


def _lines(rng: np.random.Generator, size: int) -> _Field:
    field = np.zeros((size, size))
    for _ in range(int(rng.integers(20, 400))):
        x, y = rng.integers(0, size, 2).tolist()
        across, down = rng.integers(-120, 120, 2).tolist()
        cv2.line(field, (x, y), (x + across, y + down), float(rng.normal()), int(rng.integers(1, 8)))
    return field


def _coloured(rng: np.random.Generator, field: _Field) -> NDArray[np.uint8]:
    field = field + rng.uniform(0, 0.6) * _noise(rng, len(field), rng.uniform(0.2, 2.5))
    share = 1 / (1 + np.exp(-field * rng.uniform(0.5, 2)))
    if rng.random() < 1 / 3:
        light, dark = rng.uniform((170, 120, 90), (240, 180, 150)), rng.uniform((50, 30, 20), (190, 140, 110))
    else:
        light, dark = rng.uniform(0, 255, (2, 3))
    return np.clip(light * (1 - share[..., None]) + dark * share[..., None], 0, 255).astype(np.uint8)


def _log_integer(rng: np.random.Generator, low: float, high: float) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high))))
