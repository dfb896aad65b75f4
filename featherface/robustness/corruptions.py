"""Corruptions of photos in five severities, seeded, after ImageNet-C.

Noise, blur, brightness, contrast and JPEG follow Hendrycks and Dietterich, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations", ICLR 2019 (arXiv 1903.12261), as Michaelis et al. 2019
(arXiv 1907.07484) apply them to detection, written anew with OpenCV and NumPy. Darkness, low resolution,
occlusion and rotation are our own. Lengths are given for a photo whose longer side has 640 pixels and grow
with the photo, so that a severity means the same at any resolution. Values are 0..1; x is the clean photo.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from featherface.detection.boxes import mapped_boxes, mapped_points, mapping_of_edges
from featherface.detection.detections import Detections
from featherface.detection.images import Photo, memory_errors_as_sentence

__all__ = ["CORRUPTIONS", "SEVERITIES", "Corrupted", "Corruption"]

SEVERITIES = (1, 2, 3, 4, 5)
_REFERENCE_SIDE = 640  # pixels

_Image = np.ndarray  # (H, W, 3) float32 RGB, 0..1


@dataclass(frozen=True, eq=False)
class Corrupted:
    """A corrupted photo and where its faces are now; faces keep the order of the clean ones."""

    photo: Photo
    faces: Detections


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    key: short name for files and links. name: for people. formula: what it does, in words and symbols.
    levels: the formula's parameter s at severities 1 to 5.
    """

    key: str
    name: str
    formula: str
    levels: tuple[float, ...]
    _apply: Callable[[_Image, Detections, float, np.random.Generator], tuple[_Image, Detections]]
    _move: Callable[[Detections, int, int, float], Detections] | None = None

    @property
    def moves_faces(self) -> bool:
        """Whether faces are elsewhere in the corrupted photo."""
        return self._move is not None

    def moved(self, faces: Detections, width: int, height: int, severity: int) -> Detections:
        """Return where the faces of a photo of `width` x `height` pixels are after corruption."""
        if self._move is None or severity == 0:
            return faces
        return self._move(faces, width, height, self.levels[severity - 1])

    @memory_errors_as_sentence("The corrupted photo")
    def apply(self, photo: Photo, faces: Detections, severity: int, seed: int = 0) -> Corrupted:
        """Return `photo` at `severity` 1 to 5; 0 returns it unchanged.

        faces: of the clean photo; occlusions need their landmarks, and rotation turns their boxes. The same
        photo size, severity and seed always give the same result. Raises ImageError when memory runs out.
        """
        if severity == 0:
            return Corrupted(photo, faces)
        rng = np.random.default_rng((seed, severity, zlib.crc32(self.key.encode())))
        image = photo.pixels.astype(np.float32) / 255
        image, moved = self._apply(image, faces, self.levels[severity - 1], rng)
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        pixels.setflags(write=False)
        return Corrupted(Photo(pixels), moved)


def _pixelwise(
    change: Callable[[_Image, float, np.random.Generator], _Image],
) -> Callable[[_Image, Detections, float, np.random.Generator], tuple[_Image, Detections]]:
    """Make a corruption of one that leaves faces where they are."""

    def apply(
        image: _Image, faces: Detections, level: float, rng: np.random.Generator
    ) -> tuple[_Image, Detections]:
        return change(image, level, rng), faces

    return apply


def _scale(image: _Image) -> float:
    return float(max(image.shape[:2])) / _REFERENCE_SIDE


def _gaussian_noise(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    noisy: _Image = image + level * rng.standard_normal(image.shape, np.float32)
    return noisy


def _shot_noise(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    return (rng.poisson(image * level) / level).astype(np.float32)


def _impulse_noise(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    chance = rng.random(image.shape, np.float32)
    return np.where(chance < level / 2, 0, np.where(chance > 1 - level / 2, 1, image)).astype(np.float32)


def _defocus_blur(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    radius = max(1, round(level * _scale(image)))
    offsets = np.arange(-radius, radius + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.float32)
    return cv2.filter2D(image, -1, disk / disk.sum(), borderType=cv2.BORDER_REFLECT_101)


def _motion_blur(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    length = max(3, round(level * _scale(image)) | 1)
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), float(rng.uniform(-45, 45)), 1)
    kernel = cv2.warpAffine(line, turn, (length, length))
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def _zoom_blur(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    height, width = image.shape[:2]
    total = np.zeros_like(image)
    zooms = np.linspace(1, level, 11)
    for zoom in zooms:
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, float(zoom))
        total += cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return total / len(zooms)


def _jpeg(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    bgr = cv2.cvtColor(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(level)])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))
    return decoded.astype(np.float32) / 255


def _brightness(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = np.clip(hsv[..., 2] + level, 0, 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _darkness(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    light = (image**2.2) * level  # roughly linear light
    noisy = light + rng.standard_normal(image.shape, np.float32) * np.sqrt(np.maximum(light, 0) * 0.002)
    return np.clip(noisy, 0, 1) ** (1 / 2.2)


def _contrast(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    mean = image.mean(axis=(0, 1), keepdims=True)
    changed: _Image = (image - mean) * level + mean
    return changed


def _low_resolution(image: _Image, level: float, rng: np.random.Generator) -> _Image:
    height, width = image.shape[:2]
    factor = level / _scale(image) if _scale(image) > 1 else level
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _occlusion(first: int, last: int) -> Callable[..., tuple[_Image, Detections]]:
    """Return a corruption that covers the landmarks `first` to `last` of every face with a grey bar."""

    def apply(
        image: _Image, faces: Detections, level: float, rng: np.random.Generator
    ) -> tuple[_Image, Detections]:
        covered = image.copy()
        height, width = image.shape[:2]
        for box, landmarks in zip(faces.boxes, faces.landmarks, strict=True):
            face_width, face_height = box[2] - box[0], box[3] - box[1]
            x, y = landmarks[first : last + 1].mean(axis=0)
            left, right = np.clip((x - level * face_width / 2, x + level * face_width / 2), 0, width)
            top, bottom = np.clip((y - level * face_height / 6, y + level * face_height / 6), 0, height)
            covered[round(float(top)) : round(float(bottom)), round(float(left)) : round(float(right))] = 0.5
        return covered, faces

    return apply


def _rotation(
    image: _Image, faces: Detections, level: float, rng: np.random.Generator
) -> tuple[_Image, Detections]:
    """Rotate the photo around its centre on a larger canvas."""
    height, width = image.shape[:2]
    turn, canvas = _turn(width, height, level)
    turned = cv2.warpAffine(image, turn, canvas, borderMode=cv2.BORDER_CONSTANT, borderValue=(0.5,) * 3)
    return turned, _turned_faces(faces, width, height, level)


def _turn(width: int, height: int, degrees: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the (2, 3) matrix of a rotation around the centre, and width and height of the canvas."""
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
    wide, tall = round(width * cosine + height * sine), round(width * sine + height * cosine)
    turn[:, 2] += ((wide - width) / 2, (tall - height) / 2)
    return turn, (wide, tall)


def _turned_faces(faces: Detections, width: int, height: int, degrees: float) -> Detections:
    """Return the faces of a turned photo; boxes become those around their turned ellipses."""
    turn, _ = _turn(width, height, degrees)
    mapping = mapping_of_edges(turn)
    boxes = mapped_boxes(faces.boxes, mapping).astype(np.float32)
    landmarks = mapped_points(faces.landmarks, mapping).astype(np.float32)
    return Detections(boxes, faces.scores, landmarks)


_ALL = (
    Corruption(
        "gaussian_noise",
        "Gaussian noise",
        "x + N(0, s), s = 0.08, 0.12, 0.18, 0.26, 0.38",
        (0.08, 0.12, 0.18, 0.26, 0.38),
        _pixelwise(_gaussian_noise),
    ),
    Corruption(
        "shot_noise",
        "Shot noise",
        "Poisson(x s) / s, s = 60, 25, 12, 5, 3",
        (60, 25, 12, 5, 3),
        _pixelwise(_shot_noise),
    ),
    Corruption(
        "impulse_noise",
        "Impulse noise",
        "a share s of all values becomes 0 or 1, s = 0.03, 0.06, 0.09, 0.17, 0.27",
        (0.03, 0.06, 0.09, 0.17, 0.27),
        _pixelwise(_impulse_noise),
    ),
    Corruption(
        "defocus_blur",
        "Defocus blur",
        "mean over a disk of radius s px, s = 3, 4, 6, 8, 10",
        (3, 4, 6, 8, 10),
        _pixelwise(_defocus_blur),
    ),
    Corruption(
        "motion_blur",
        "Motion blur",
        "mean along a line of s px at a seeded angle of -45 to 45 degrees, s = 7, 11, 15, 21, 31",
        (7, 11, 15, 21, 31),
        _pixelwise(_motion_blur),
    ),
    Corruption(
        "zoom_blur",
        "Zoom blur",
        "mean of x zoomed by 1 to s in eleven steps, s = 1.06, 1.11, 1.16, 1.21, 1.26",
        (1.06, 1.11, 1.16, 1.21, 1.26),
        _pixelwise(_zoom_blur),
    ),
    Corruption(
        "jpeg",
        "JPEG compression",
        "JPEG of quality s, s = 25, 18, 15, 10, 7",
        (25, 18, 15, 10, 7),
        _pixelwise(_jpeg),
    ),
    Corruption(
        "brightness",
        "Brightness",
        "HSV value + s, s = 0.1, 0.2, 0.3, 0.4, 0.5",
        (0.1, 0.2, 0.3, 0.4, 0.5),
        _pixelwise(_brightness),
    ),
    Corruption(
        "darkness",
        "Darkness",
        "linear light (x^2.2) times s, with shot noise of variance 0.002 times the light, "
        "s = 0.3, 0.15, 0.08, 0.04, 0.02",
        (0.3, 0.15, 0.08, 0.04, 0.02),
        _pixelwise(_darkness),
    ),
    Corruption(
        "contrast",
        "Low contrast",
        "(x - mean) s + mean, s = 0.4, 0.3, 0.2, 0.1, 0.05",
        (0.4, 0.3, 0.2, 0.1, 0.05),
        _pixelwise(_contrast),
    ),
    Corruption(
        "low_resolution",
        "Low resolution",
        "resized to s times the reference size of 640 px and back, s = 0.6, 0.4, 0.25, 0.15, 0.1",
        (0.6, 0.4, 0.25, 0.15, 0.1),
        _pixelwise(_low_resolution),
    ),
    Corruption(
        "eyes",
        "Covered eyes",
        "a grey bar over both eyes, s times as wide as the face, s = 0.4, 0.6, 0.8, 1.0, 1.3",
        (0.4, 0.6, 0.8, 1.0, 1.3),
        _occlusion(0, 1),
    ),
    Corruption(
        "mouth",
        "Covered mouth",
        "a grey bar over the mouth, s times as wide as the face, s = 0.4, 0.6, 0.8, 1.0, 1.3",
        (0.4, 0.6, 0.8, 1.0, 1.3),
        _occlusion(3, 4),
    ),
    Corruption(
        "rotation",
        "Rotation",
        "turned by s degrees on a grey canvas, s = 15, 30, 45, 60, 90",
        (15, 30, 45, 60, 90),
        _rotation,
        _turned_faces,
    ),
)
CORRUPTIONS: Mapping[str, Corruption] = {corruption.key: corruption for corruption in _ALL}
