"""`Detections`, the form in which faces leave the network for everything else, and its file formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from featherface.config import LANDMARKS
from featherface.detection.boxes import clip_boxes
from featherface.errors import FeatherFaceError

__all__ = ["COLUMNS", "Detections", "DetectionsError"]

COLUMNS = (  # of a face in CSV files
    *("x1", "y1", "x2", "y2", "score"),
    *(f"{name.replace(' ', '_')}_{axis}" for name in LANDMARKS for axis in "xy"),
)
_PIXEL_DECIMALS = 2  # in files: a hundredth of a pixel is far below what a detector resolves
_SCORE_DECIMALS = 6
_VISIBLE = 2  # COCO's flag of a keypoint that is labelled and visible
_ROW_SHAPES = {"boxes": (4,), "scores": (), "landmarks": (len(LANDMARKS), 2)}  # of one face


class DetectionsError(FeatherFaceError):
    """Arrays do not form detections; the message names the array, its shape and its dtype."""


@dataclass(frozen=True, eq=False)
class Detections:
    """N faces of one photo, highest score first.

    boxes: (N, 4) float32, x1, y1, x2, y2 in pixels of the upright original photo. A box may extend beyond the
        photo, as in the published evaluation; `clipped` cuts it.
    scores: (N,) float32, 0..1, descending.
    landmarks: (N, 5, 2) float32, x and y in the same pixels, in the order of `config.LANDMARKS`.
    found_by: (N,) int64, index of the pass that found each face; None where there was one pass.

    Raises DetectionsError for other shapes or dtypes.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    found_by: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = np.shape(self.scores)[:1]
        for name, row in _ROW_SHAPES.items():
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.shape != count + row:
                raise DetectionsError(_mismatch(name, array, count + row, "float32"))
        indices = self.found_by
        if indices is not None and (indices.dtype != np.int64 or indices.shape != count):
            raise DetectionsError(_mismatch("found_by", indices, count, "int64"))

    @classmethod
    def empty(cls) -> Detections:
        """Return no faces."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, len(LANDMARKS), 2), np.float32),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: np.ndarray | slice | Sequence[int]) -> Detections:
        """Return the faces that a boolean mask (N,), indices or a slice choose, in the order given."""
        if not isinstance(chosen, slice):
            chosen = np.asarray(chosen, dtype=None if len(chosen) else np.intp)
        found_by = None if self.found_by is None else self.found_by[chosen]
        return Detections(self.boxes[chosen], self.scores[chosen], self.landmarks[chosen], found_by)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        marks = 0 if self.found_by is None else self.found_by.nbytes
        return self.boxes.nbytes + self.scores.nbytes + self.landmarks.nbytes + marks

    def scaled(self, factor_x: float, factor_y: float) -> Detections:
        """Return the same faces in a photo that is `factor_x` times as wide and `factor_y` times as high."""
        factors = np.asarray((factor_x, factor_y), np.float32)
        return replace(self, boxes=self.boxes * np.tile(factors, 2), landmarks=self.landmarks * factors)

    def clipped(self, width: int, height: int) -> Detections:
        """Return the same faces with their boxes cut at the edges of a photo of `width` x `height` pixels."""
        return replace(self, boxes=clip_boxes(self.boxes, width, height))

    def to_dict(self) -> dict[str, list[Any]]:
        """Return plain lists: `boxes` [[x1, y1, x2, y2]], `scores`, `landmarks` [[x, y of five points]]."""
        return {
            "boxes": _rounded(self.boxes, _PIXEL_DECIMALS),
            "scores": _rounded(self.scores, _SCORE_DECIMALS),
            "landmarks": _rounded(self.landmarks.reshape(len(self), 2 * len(LANDMARKS)), _PIXEL_DECIMALS),
        }

    def to_records(self) -> list[dict[str, float]]:
        """Return one flat dictionary per face: x1, y1, x2, y2, score, left_eye_x, left_eye_y, ..."""
        lists = self.to_dict()
        faces = zip(lists["boxes"], lists["scores"], lists["landmarks"], strict=True)
        return [dict(zip(COLUMNS, (*box, score, *points), strict=True)) for box, score, points in faces]

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict())

    def to_csv(self) -> str:
        """Return `to_records` as CSV with a header, one line per face."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.to_records())
        return text.getvalue()

    def to_coco(self, image_id: int | str = 1) -> list[dict[str, object]]:
        """Return COCO results, which pycocotools' `COCO.loadRes` reads.

        One dictionary per face: bbox is x, y, width, height; keypoints are 5 times x, y, visibility.
        """
        corners = np.round(self.boxes.astype(np.float64), _PIXEL_DECIMALS)
        sizes = corners[:, 2:] - corners[:, :2]  # of rounded corners, so that no box ends beyond its photo
        columns = zip(
            _rounded(np.hstack((corners[:, :2], sizes)), _PIXEL_DECIMALS),
            _rounded(self.scores, _SCORE_DECIMALS),
            _rounded(self.landmarks, _PIXEL_DECIMALS),
            strict=True,
        )
        return [
            {
                "image_id": image_id,
                "category_id": 1,
                "bbox": bbox,
                "score": score,
                "keypoints": [value for x, y in points for value in (x, y, _VISIBLE)],
            }
            for bbox, score, points in columns
        ]


def _mismatch(name: str, array: object, expected: tuple[int, ...], dtype: str) -> str:
    found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
    return f"Detections need {name} to be {dtype} of shape {expected}, not {found}."


def _rounded(values: np.ndarray, decimals: int) -> list[Any]:
    lists: list[Any] = np.round(values.astype(np.float64), decimals).tolist()
    return lists
