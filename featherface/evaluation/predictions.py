"""A detector's predictions for a set of images, and the JSONL file that stores them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from featherface.errors import FeatherFaceError, sentence

__all__ = ["Prediction", "PredictionsError", "read_predictions", "resume_predictions"]


class PredictionsError(FeatherFaceError):
    """A predictions file cannot be read or continued; the message names the file and the line."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The boxes found in one image: `boxes` (N, 4) float64 x1 y1 x2 y2 pixels, `scores` (N,) float64."""

    image: str
    boxes: np.ndarray
    scores: np.ndarray

    def to_line(self) -> str:
        """Return one line of a predictions file, line end included."""
        record = {"image": self.image, "boxes": self.boxes.tolist(), "scores": self.scores.tolist()}
        return json.dumps(record) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read one line of a predictions file; raises KeyError, TypeError or ValueError."""
        record = json.loads(line)
        boxes = np.array(record["boxes"] or np.zeros((0, 4)), np.float64)
        scores = np.array(record["scores"], np.float64)
        if boxes.shape != (len(scores), 4):
            raise ValueError("there is not one box of four numbers for each score")
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ValueError("a box or a score is not a finite number")
        return cls(str(record["image"]), boxes, scores)


def read_predictions(path: Path) -> list[Prediction]:
    """Read a predictions file.

    A torn last line, without its line end, is left out: a run was killed there. Raises `PredictionsError` for
    any other line that is not a prediction, and for an image that comes twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PredictionsError(sentence(f"{path} cannot be read as predictions: {error}.")) from error
    predictions: dict[str, Prediction] = {}
    for number, prediction in _parsed_lines(text, path):
        if prediction.image in predictions:
            raise PredictionsError(sentence(f"{path}, line {number}: {prediction.image} appears twice."))
        predictions[prediction.image] = prediction
    return list(predictions.values())


def resume_predictions(path: Path, run: Mapping[str, object]) -> list[Prediction]:
    """Prepare the predictions file `path` for appending and return what it already contains.

    `run`, plain JSON values, says what makes the predictions: weights and settings. It is kept beside the
    file, so that no file is continued by another network. Raises `PredictionsError` where one would be.
    """
    record = path.with_name(f"{path.name}.run.json")
    text = json.dumps(run, indent=2) + "\n"
    if not path.exists():
        record.write_text(text, encoding="utf-8")
        return []
    if not record.exists():
        raise PredictionsError(
            f"{path} exists but {record.name} does not, so its origin is unknown; choose another file."
        )
    if record.read_bytes() != text.encode():
        raise PredictionsError(
            f"{path} was made with other weights or settings (see {record.name}); choose another file."
        )
    with path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)  # what a killed run left half written
    return read_predictions(path)


def _parsed_lines(text: str, path: Path) -> Iterator[tuple[int, Prediction]]:
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        try:
            yield number, Prediction.from_line(line)
        except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            if not line.endswith("\n"):
                return
            raise PredictionsError(
                sentence(f"{path}, line {number} is not a prediction: {error}.")
            ) from error
