"""Evaluations that a session made or brought; they go with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import streamlit as st

from featherface.checkpoints import WeightsError, WeightsFile
from featherface.dashboard.state.photos import decode
from featherface.dashboard.state.shared import machine, model_service
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
from featherface.serving.model_service import ServiceBusyError

__all__ = ["add_curves", "evaluate_zip", "forget_runs", "own_curves"]

_MAX_RUNS = 24  # of one session; one takes 150 kB
_RETRY_SECONDS = 2.0  # after which a full queue is asked again


def own_curves() -> list[SavedCurves]:
    """Return the evaluations of this session, oldest first."""
    return st.session_state.setdefault("own_curves", [])


def add_curves(data: bytes, name: str) -> None:
    """Take in a file of `evaluate --curves`. Raises CurvesError."""
    found = [saved for saved in parse_curves(data, name) if saved.model in MODELS]
    if not found:
        names = " or ".join(entry.name for entry in MODELS.values())
        raise CurvesError(sentence(f"{name} holds no result of {names}."))
    _keep(found)


def forget_runs() -> None:
    """Forget the evaluations of this session."""
    st.session_state["own_curves"] = []


def evaluate_zip(data: bytes, name: str, on_progress: Callable[[int, int], None]) -> None:
    """Score every model that has weights on the annotated pictures in a zip, by the published settings.

    `on_progress` is told how many passes are done, of how many, also again and again while the models are
    busy. Raises WiderZipError and WeightsError.
    """
    annotated = read_wider_zip(data)
    ready = [status.weights for status in model_service().models() if status.weights]
    if not ready:
        raise WeightsError("No model has weights that can be used, so there is nothing to evaluate.")
    total = len(ready) * len(annotated.images)
    found: list[SavedCurves] = []
    for number, weights in enumerate(ready):
        done = number * len(annotated.images)
        predictions = _predictions(
            annotated, weights, lambda passes, done=done: on_progress(done + passes, total)
        )
        found.append(
            SavedCurves(
                model=weights.key,
                weights_sha256=weights.sha256,
                image_set=name,
                resize=PUBLISHED.resize.value,
                side=PUBLISHED.side,
                date=now(),
                machine=asdict(machine()),
                evaluation=evaluate(predictions, annotated.ground_truth),
            )
        )
    _keep(found)


def _predictions(
    annotated: AnnotatedImages, weights: WeightsFile, on_pass: Callable[[int], None]
) -> list[Prediction]:
    predictions = []
    for number, picture in enumerate(annotated.images, 1):
        try:
            photo = decode(picture.read())
            faces = _faces(photo, weights, lambda done=number - 1: on_pass(done))
        except ImageError as error:
            raise WiderZipError(sentence(f"{picture.name}: {error}")) from error
        predictions.append(
            Prediction(picture.name, faces.boxes.astype(np.float64), faces.scores.astype(np.float64))
        )
        on_pass(number)
    return predictions


def _faces(photo: Photo, weights: WeightsFile, on_busy: Callable[[], None]) -> Detections:
    """Return the faces in `photo`; a full queue is waited for, as many passes may be done already."""
    while True:
        try:
            return model_service().detect(photo, weights.key, PUBLISHED, weights=weights).detections
        except ServiceBusyError:
            on_busy()  # shows something, where Streamlit ends the run if the visitor has gone
            time.sleep(_RETRY_SECONDS)


def _keep(runs: list[SavedCurves]) -> None:
    st.session_state["own_curves"] = [*own_curves(), *runs][-_MAX_RUNS:]
