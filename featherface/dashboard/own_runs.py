"""Evaluations that a session made or brought; they go with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import streamlit as st

from featherface.analysis.machine import now
from featherface.dashboard.shared import machine, model_service
from featherface.detection.images import ImageError, decode_photo
from featherface.evaluation.average_precision import evaluate
from featherface.evaluation.curves import SavedCurves, parse_curves
from featherface.evaluation.predictions import Prediction
from featherface.evaluation.run import PUBLISHED
from featherface.evaluation.wider_zip import AnnotatedPictures, WiderZipError, read_wider_zip
from featherface.models import MODELS
from featherface.sentences import sentence
from featherface.weights import WeightsFile

__all__ = ["add_curves", "evaluate_zip", "forget_runs", "own_curves"]

_MAX_RUNS = 24  # of one session; one takes 150 kB


def own_curves() -> list[SavedCurves]:
    """Return the evaluations of this session, oldest first."""
    return st.session_state.setdefault("own_curves", [])


def add_curves(data: bytes, name: str) -> None:
    """Take in a file of `evaluate --curves`. Raises CurvesError."""
    _keep([saved for saved in parse_curves(data, name) if saved.model in MODELS])


def forget_runs() -> None:
    """Forget the evaluations of this session."""
    st.session_state["own_curves"] = []


def evaluate_zip(data: bytes, name: str, on_progress: Callable[[int, int], None]) -> None:
    """Score every model that has weights on the annotated pictures in a zip, by the published settings.

    `on_progress` is told how many passes are done, of how many. Raises WiderZipError,
    WeightsError and ServiceBusyError.
    """
    annotated = read_wider_zip(data)
    ready = [status.weights for status in model_service().models() if status.weights]
    total = len(ready) * len(annotated.pictures)
    found: list[SavedCurves] = []
    for number, weights in enumerate(ready):
        done = number * len(annotated.pictures)
        predictions = _predictions(
            annotated, weights, lambda passes, done=done: on_progress(done + passes, total)
        )
        found.append(
            SavedCurves(
                model=weights.key,
                weights_sha256=weights.sha256,
                picture_set=name,
                resize=PUBLISHED.resize.value,
                side=PUBLISHED.side,
                date=now(),
                machine=asdict(machine()),
                evaluation=evaluate(predictions, annotated.ground_truth),
            )
        )
    _keep(found)


def _predictions(
    annotated: AnnotatedPictures, weights: WeightsFile, on_pass: Callable[[int], None]
) -> list[Prediction]:
    predictions = []
    for number, picture in enumerate(annotated.pictures, 1):
        try:
            photo = decode_photo(picture.read())
            faces = model_service().detect(photo, weights.key, PUBLISHED, weights=weights).detections
        except ImageError as error:
            raise WiderZipError(sentence(f"{picture.name}: {error}")) from error
        predictions.append(
            Prediction(picture.name, faces.boxes.astype(np.float64), faces.scores.astype(np.float64))
        )
        on_pass(number)
    return predictions


def _keep(runs: list[SavedCurves]) -> None:
    st.session_state["own_curves"] = [*own_curves(), *runs][-_MAX_RUNS:]
