"""Several passes over one photo, for faces that one input size or one orientation misses.

A close-up gets passes at half the size, until its largest face fits the middle anchors. A photo with small
faces and more pixels than the network input gets a pass at its original size. Each of them keeps the faces of
its own range of sizes, as image pyramids do (SNIP, arXiv 1711.08189). Faces that lie on their side or upside
down are found in passes over the turned photo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from featherface.config import ANCHOR_SIZES, MAX_CANDIDATES, MAX_INPUT_PIXELS
from featherface.detection.boxes import box_areas, intersection_areas, iou_matrix
from featherface.detection.detections import Detections
from featherface.detection.detector import RawResult
from featherface.detection.images import Photo
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize

__all__ = ["Pass", "Run", "has_more_pixels", "merge", "run_passes", "turned", "turned_back"]

_LARGE_FACE = min(ANCHOR_SIZES[-1])  # network pixels; a pass at half the size sees a larger face better
_LARGE_SCORE = 0.1  # a candidate of this score asks for a pass at half the size
_SMALLEST_HALF = 128  # pixels, longer side of the network input
_SMALL_FACE = 32  # network pixels; a smaller face is clearer in a pass with more pixels
_SMALL_SCORE = 0.3  # a candidate of this score asks for a pass at the original size
_LARGER = 1.15  # that pass has at least so many times the pixels per side
_BORDER = 256  # network pixels of the finer of two passes: it owns smaller faces, the coarser one larger
_OVERLAP = 1.25  # both own faces up to this factor beyond the border, so that none falls between them
_TURNED_SCORE = 0.9  # least score in a pass over the turned photo: it sees more false faces than real ones
_CONFIDENT = 0.5  # score of a face whose inside is searched for its parts
_INSIDE = 0.1  # of its area; a box that lies so far inside a face can be a part of it, such as an ear
_SAME_FACE = 0.4  # IoU from which boxes of two passes are one face
_CONFIRMED = 0.1  # score at which the coarser pass sees the inner box too: it is a face of its own

Run = Callable[[Photo, Resize, int], RawResult]


@dataclass(frozen=True, eq=False)
class Pass:
    """One run of the network on the photo turned counter-clockwise by `degrees`.

    raw: what the run returned, its candidates in pixels of the upright photo.
    resize, input_size: how the photo became the input; `input_size` in pixels, unused for Resize.ORIGINAL.
    """

    raw: RawResult
    resize: Resize
    input_size: int
    degrees: int = 0


def run_passes(
    photo: Photo, run: Run, resize: Resize, input_size: int, *, scales: bool, rotated: bool
) -> tuple[Pass, ...]:
    """Run the network as often as the photo needs and return the passes, that at the chosen size first.

    scales: also at other sizes, where faces are very large or small. rotated: also on the photo turned by 90,
    180 and 270 degrees. `run` returns the candidates of one pass. Raises the errors of `run`.
    """
    base = Pass(run(photo, resize, input_size), resize, input_size)
    passes = [base]
    if scales:
        passes += _coarser_passes(photo, run, base)
        if _wants_larger(photo, base):
            passes.append(Pass(run(photo, Resize.ORIGINAL, 0), Resize.ORIGINAL, 0))
    if rotated:
        for quarters in (1, 2, 3):
            raw = run(turned(photo, quarters), resize, input_size)
            likely = raw.candidates[raw.candidates.scores >= _TURNED_SCORE]
            upright = turned_back(likely, quarters, photo.width, photo.height)
            passes.append(Pass(replace(raw, candidates=upright), resize, input_size, 90 * quarters))
    return tuple(passes)


def merge(photo: Photo, passes: Sequence[Pass]) -> Detections:
    """Return the candidates of all passes, best first, each with the index of its pass in `found_by`.

    Every pass keeps the sizes that it owns. Boxes that a finer or turned pass puts inside a confident face of
    a coarser pass are parts of that face, unless the coarser pass sees them too. Of boxes of several passes
    at one face, `postprocess.select` keeps the best.
    """
    if len(passes) == 1:
        return passes[0].raw.candidates
    kept = {index: _marked(one.raw.candidates, index) for index, one in enumerate(passes)}
    order = sorted(
        (index for index, one in enumerate(passes) if one.degrees == 0),
        key=lambda index: -_scale(photo, passes[index].raw.input_size),
    )  # finest first
    for finer, coarser in pairwise(order):
        border = _BORDER / _scale(photo, passes[finer].raw.input_size)
        kept[finer] = kept[finer][_sizes(kept[finer]) <= border * _OVERLAP]
        kept[coarser] = kept[coarser][_sizes(kept[coarser]) >= border / _OVERLAP]
    for position, coarser in enumerate(order):
        turns = [index for index, one in enumerate(passes) if one.degrees]
        for index in (*order[:position], *turns):
            parts = _parts(kept[index], kept[coarser], passes[coarser].raw.candidates)
            kept[index] = kept[index][~parts]
    return _joined([kept[index] for index in range(len(passes))])


def has_more_pixels(width: int, height: int, input_size: tuple[int, int]) -> bool:
    """Return whether a photo at its original size is a larger input than `input_size` (height, width)."""
    original = min(width * height, MAX_INPUT_PIXELS)
    return original >= _LARGER**2 * input_size[0] * input_size[1]


def turned(photo: Photo, quarters: int) -> Photo:
    """Return the photo turned counter-clockwise by `quarters` quarter turns."""
    pixels = np.ascontiguousarray(np.rot90(photo.pixels, quarters))
    pixels.setflags(write=False)
    return Photo(pixels)


def turned_back(faces: Detections, quarters: int, width: int, height: int) -> Detections:
    """Return faces found in `turned(photo, quarters)` in pixels of the photo, `width` x `height` pixels."""
    corners = _points_back(faces.boxes.reshape(-1, 2, 2), quarters, width, height)
    boxes = np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=1)
    return replace(faces, boxes=boxes, landmarks=_points_back(faces.landmarks, quarters, width, height))


def _points_back(
    points: npt.NDArray[np.float32], quarters: int, width: int, height: int
) -> npt.NDArray[np.float32]:
    """Map (..., 2) x, y of the turned photo to the photo."""
    x, y = points[..., 0], points[..., 1]
    back = {0: (x, y), 1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters % 4]
    return np.stack(back, axis=-1)


def _coarser_passes(photo: Photo, run: Run, base: Pass) -> list[Pass]:
    """Run passes at half the size of the one before while that one sees very large faces."""
    passes: list[Pass] = []
    latest = base
    while max(latest.raw.input_size) // 2 >= _SMALLEST_HALF and _wants_coarser(photo, latest):
        input_size = max(latest.raw.input_size) // 2
        resize = base.resize if base.resize is not Resize.ORIGINAL else Resize.FIT
        latest = Pass(run(photo, resize, input_size), resize, input_size)
        passes.append(latest)
    return passes


def _wants_coarser(photo: Photo, latest: Pass) -> bool:
    candidates = latest.raw.candidates
    sizes = _sizes(candidates) * _scale(photo, latest.raw.input_size)
    large = (sizes >= _LARGE_FACE) & (candidates.scores >= _LARGE_SCORE)
    return bool(large.any())


def _wants_larger(photo: Photo, base: Pass) -> bool:
    if base.resize is Resize.ORIGINAL or not has_more_pixels(photo.width, photo.height, base.raw.input_size):
        return False
    candidates = base.raw.candidates
    sizes = _sizes(candidates) * _scale(photo, base.raw.input_size)
    small = (sizes < _SMALL_FACE) & (candidates.scores >= _SMALL_SCORE)
    return bool(small.any())


def _scale(photo: Photo, input_size: tuple[int, int]) -> float:
    """Return network pixels per photo pixel; the mean of both directions where the photo is stretched."""
    height, width = input_size
    return float((width * height / (photo.width * photo.height)) ** 0.5)


def _sizes(faces: Detections) -> npt.NDArray[np.floating]:
    """Return the (N,) sizes of faces in photo pixels, the square root of the box area."""
    return np.sqrt(box_areas(faces.boxes))


def _parts(candidates: Detections, faces: Detections, seen: Detections) -> npt.NDArray[np.bool_]:
    """Return which (N,) candidates are parts of confident `faces`: inside one, and not `seen` themselves."""
    confident = select(faces, _CONFIDENT, _SAME_FACE).boxes
    inside = intersection_areas(candidates.boxes, confident) >= _INSIDE * box_areas(candidates.boxes)[:, None]
    another = iou_matrix(candidates.boxes, confident) < _SAME_FACE
    suspects = np.flatnonzero((inside & another).any(axis=1))
    witnesses = seen.boxes[seen.scores >= _CONFIRMED]
    witnesses = witnesses[~(iou_matrix(witnesses, confident) >= _SAME_FACE).any(axis=1)]
    confirmed = (iou_matrix(candidates.boxes[suspects], witnesses) >= _SAME_FACE).any(axis=1)
    parts = np.zeros(len(candidates), np.bool_)
    parts[suspects[~confirmed]] = True
    return parts


def _marked(candidates: Detections, index: int) -> Detections:
    return replace(candidates, found_by=np.full(len(candidates), index))


def _joined(parts: Sequence[Detections]) -> Detections:
    """Return the candidates of all parts, best first, at most MAX_CANDIDATES."""
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    return Detections(
        np.concatenate([part.boxes for part in parts])[order],
        scores[order],
        np.concatenate([part.landmarks for part in parts])[order],
        np.concatenate([part.found_by for part in parts if part.found_by is not None])[order],
    )
