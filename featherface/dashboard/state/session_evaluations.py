"""Evaluations that were made or uploaded in a session."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import cast

import numpy as np
import streamlit as st

from featherface.checkpoints import WeightsError, WeightsFile
from featherface.config import MAX_BYTES
from featherface.dashboard.state.photos import decode
from featherface.dashboard.state.shared_service import machine, model_service
from featherface.detection.detections import Detections
from featherface.detection.images import ImageError, Photo
from featherface.errors import sentence
from featherface.evaluation.average_precision import evaluate
from featherface.evaluation.curves import CurvesError, SavedCurves, parse_curves
from featherface.evaluation.predictions import Prediction
from featherface.evaluation.run import PUBLISHED
from featherface.evaluation.wider_zip import AnnotatedImages, WiderZipError, read_wider_zip
from featherface.models import MODELS
from featherface.profiling.machine import now
from featherface.serving.network_queue import retry_while_busy

__all__ = [
    "ModelPredictions",
    "add_curves",
    "evaluate_zip",
    "forget_runs",
    "own_curves",
    "predict",
    "read_zip",
]

_MAX_RUNS = 24  # per session; one takes 150 kB


@dataclass(frozen=True, eq=False)
class ModelPredictions:
    """What one model finds on images that can be read."""

    weights: WeightsFile
    predictions: list[Prediction]


def own_curves() -> list[SavedCurves]:
    """Return the evaluations of this session, oldest first."""
    return cast(list[SavedCurves], st.session_state.setdefault("own_curves", []))


def add_curves(data: bytes, name: str) -> None:
    """Add the results in a file written by `evaluate --curves`. Raises CurvesError."""
    if len(data) > MAX_BYTES:
        raise CurvesError(_too_large(name, data))
    found = [saved for saved in parse_curves(data, name) if saved.model in MODELS]
    if not found:
        names = " or ".join(entry.name for entry in MODELS.values())
        raise CurvesError(sentence(f"{name} contains no results of {names}."))
    _keep(found)


def forget_runs() -> None:
    """Remove the evaluations of this session."""
    st.session_state["own_curves"] = []


def evaluate_zip(data: bytes, name: str, on_progress: Callable[[int, int], None]) -> list[str]:
    """Evaluate every model that has weights on the annotated images in a zip, with the published settings.

    Return one sentence for each annotated image that is not in the zip or cannot be read; it is left out.

    `on_progress` is called with the passes done and their total, repeatedly with the same numbers while the
    models are busy. Raises WiderZipError and WeightsError.
    """
    annotated = read_zip(data, name)
    predictions, skipped = predict(annotated, on_progress)
    _keep(
        [
            SavedCurves(
                model=found.weights.key,
                weights_sha256=found.weights.sha256,
                image_set=name,
                resize=PUBLISHED.resize.value,
                input_size=PUBLISHED.input_size,
                date=now(),
                machine=asdict(machine()),
                evaluation=evaluate(found.predictions, annotated.ground_truth),
            )
            for found in predictions
        ]
    )
    return skipped


def read_zip(data: bytes, name: str) -> AnnotatedImages:
    """Read a zip of annotated images. Raises WiderZipError."""
    if len(data) > MAX_BYTES:
        raise WiderZipError(_too_large(name, data))
    return read_wider_zip(data)


def predict(
    annotated: AnnotatedImages, on_progress: Callable[[int, int], None]
) -> tuple[list[ModelPredictions], list[str]]:
    """Run every model that has weights on the images, with the published settings.

    Return their predictions, and one sentence for each image that is left out; `evaluate_zip` says more.
    Raises WiderZipError and WeightsError.
    """
    ready = [status.weights for status in model_service().models() if status.weights]
    if not ready:
        raise WeightsError("No model has usable weights, so there is nothing to evaluate.")
    images = len(annotated.images)
    skipped = dict.fromkeys(annotated.absent, "not in the zip.")
    found = []
    for number, weights in enumerate(ready):
        report = partial(_report, on_progress, number * images, len(ready) * images)
        found.append(ModelPredictions(weights, _predictions(annotated, weights, report, skipped)))
    return found, [sentence(f"{image}: {reason}") for image, reason in skipped.items()]


def _too_large(name: str, data: bytes) -> str:
    return sentence(f"{name} has {len(data) / 10**6:.1f} MB and the limit is {MAX_BYTES // 10**6} MB.")


def _report(on_progress: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    on_progress(before + done, total)


def _predictions(
    annotated: AnnotatedImages,
    weights: WeightsFile,
    report: Callable[[int], None],
    skipped: dict[str, str],
) -> list[Prediction]:
    """Return predictions for the images that can be read; add why not to `skipped` for the others.

    Raises WiderZipError if none can be.
    """
    predictions = []
    for done, image in enumerate(annotated.images):
        try:
            faces = _faces(decode(image.read()), weights, partial(report, done))
        except (ImageError, WiderZipError) as error:
            skipped[image.name] = str(error)
            continue
        boxes, scores = faces.boxes.astype(np.float64), faces.scores.astype(np.float64)
        predictions.append(Prediction(image.name, boxes, scores))
        report(done + 1)
    if not predictions:
        first = next(image.name for image in annotated.images)
        raise WiderZipError(sentence(f"None of the images can be read. {first}: {skipped[first]}"))
    return predictions


def _faces(photo: Photo, weights: WeightsFile, on_busy: Callable[[], None]) -> Detections:
    """Return the faces in `photo`; try again while the queue is full, so that earlier passes are not lost."""

    def pause(seconds: float) -> bool:
        on_busy()  # draws on the page, where Streamlit ends the run of a visitor who has left
        time.sleep(seconds)
        return True

    detect = partial(model_service().detect, photo, weights.key, PUBLISHED, weights=weights)
    return retry_while_busy(detect, pause).detections


def _keep(runs: list[SavedCurves]) -> None:
    st.session_state["own_curves"] = [*own_curves(), *runs][-_MAX_RUNS:]
