"""Precision-recall curves as a JSON file, with the weights and the images that they were measured on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.files import write_files
from featherface.models import MODELS

__all__ = [
    "CurvesError",
    "SavedCurves",
    "check_weights",
    "load_curves",
    "other_weights_message",
    "parse_curves",
    "save_curves",
]

_ARRAYS = ("precision", "recall", "thresholds")
_DECIMALS = 6
_MAX_COUNT = 10**9  # images, faces, pixels
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("model", "weights_sha256", "image_set", "resize", "date", "protocol"), str),
    **dict.fromkeys(("machine", "subsets"), dict),
}


class CurvesError(FeatherFaceError):
    """A curves file cannot be read; the message names it."""


@dataclass(frozen=True, eq=False)
class SavedCurves:
    """One model's evaluation and its provenance."""

    model: str  # key in MODELS
    weights_sha256: str
    image_set: str  # what people read
    resize: str
    input_size: int  # pixels; unused at original size
    date: str  # ISO 8601
    machine: Mapping[str, object]
    evaluation: Evaluation
    used_for_selection: bool = False  # whether the checkpoint was also selected on these images


def save_curves(path: Path, curves: Sequence[SavedCurves]) -> None:
    """Write `curves` as JSON: `average_precision` null where no face counts, arrays at 1000 thresholds."""
    document = {"curves": [_to_json(saved) for saved in curves]}
    write_files({path: f"{json.dumps(document)}\n".encode()})


def load_curves(path: Path) -> list[SavedCurves]:
    """Read what `save_curves` wrote; raises `CurvesError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CurvesError(f"{path} cannot be read: {error.strerror}.") from error
    return parse_curves(data, str(path))


def parse_curves(data: bytes, name: str) -> list[SavedCurves]:
    """Read the bytes of a results file called `name`; raises `CurvesError`.

    Files of before `mean_interval`, `no_interval` and `used_for_selection` existed are read without them.
    """
    try:
        document = json.loads(data)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair cannot be shown
        return [_from_json(saved) for saved in document["curves"]]
    except KeyError as error:
        raise CurvesError(
            sentence(f"{name} is not a readable results file: the field {error} is missing.")
        ) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CurvesError(sentence(f"{name} is not a readable results file: {error}.")) from error


def check_weights(curves: Iterable[SavedCurves], sha256: Mapping[str, str], name: str) -> None:
    """Raise `CurvesError` unless all `curves`, of a file called `name`, are of the weights `sha256` by model.

    Numbers of different weights must not stand side by side as if they belonged to one network.
    """
    for saved in curves:
        current = sha256.get(saved.model)
        if saved.weights_sha256 != current:
            raise CurvesError(other_weights_message(name, saved.model, saved.weights_sha256, current))


def other_weights_message(name: str, model: str, measured: str, current: str | None) -> str:
    """Return why a file called `name` is refused: it is of the weights `measured` of a model, not `current`.

    model: a key in MODELS. measured, current: SHA-256; None if the model has no weights.
    """
    shown = MODELS[model].short_name if model in MODELS else model
    using = f"but the current weights are {current[:12]}" if current else "but there are no current weights"
    return sentence(
        f"{name} contains results of {shown} for the weights {measured[:12]}, {using}; evaluate the current "
        "weights and pass that file."
    )


def _to_json(saved: SavedCurves) -> dict[str, object]:
    about = {name: value for name, value in vars(saved).items() if name != "evaluation"}
    evaluation = saved.evaluation
    subsets = {name: _curve_to_json(curve) for name, curve in evaluation.curves.items()}
    return about | {
        "protocol": evaluation.protocol,
        "images": evaluation.images,
        "mean_interval": evaluation.mean_interval,
        "subsets": subsets,
    }


def _from_json(document: Mapping[str, Any]) -> SavedCurves:
    wrong = [name for name, kind in _KINDS.items() if not isinstance(document[name], kind)]
    if wrong:
        raise TypeError(f"{wrong[0]!r} is not {_KINDS[wrong[0]].__name__}")
    datetime.fromisoformat(document["date"])
    used_for_selection = document.get("used_for_selection", False)
    if not isinstance(used_for_selection, bool):
        raise TypeError("'used_for_selection' is not true or false")
    curves = {name: _curve_from_json(curve) for name, curve in document["subsets"].items()}
    if not any(curve.faces for curve in curves.values()):
        raise ValueError("no face counts in any subset")
    return SavedCurves(
        model=document["model"],
        weights_sha256=document["weights_sha256"],
        image_set=document["image_set"],
        resize=document["resize"],
        input_size=_count(document["input_size"]),
        date=document["date"],
        machine=document["machine"],
        evaluation=Evaluation(
            document["protocol"],
            _count(document["images"]),
            curves,
            _interval_from_json(document.get("mean_interval")),
        ),
        used_for_selection=used_for_selection,
    )


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        raise ValueError(f"{value!r} is not a number of images, faces or pixels")
    return value


def _curve_to_json(curve: Curve) -> dict[str, object]:
    arrays = {name: np.round(getattr(curve, name), _DECIMALS).tolist() for name in _ARRAYS}
    return {
        "faces": curve.faces,
        "average_precision": curve.average_precision if curve.faces else None,
        "interval": curve.interval,
        "no_interval": curve.no_interval,
        **arrays,
    }


def _curve_from_json(document: Mapping[str, Any]) -> Curve:
    arrays = {name: np.array(document[name], np.float64) for name in _ARRAYS}
    if len({array.shape for array in arrays.values()}) != 1 or arrays["recall"].ndim != 1:
        raise ValueError(f"{', '.join(_ARRAYS)} are not lists of one length")
    score = document["average_precision"]
    if score is not None and not 0 <= score <= 1:
        raise ValueError(f"{score!r} is not an average precision")
    no_interval = document.get("no_interval", "")
    if not isinstance(no_interval, str):
        raise TypeError("'no_interval' is not text")
    return Curve(
        **arrays,
        faces=_count(document["faces"]),
        average_precision=float("nan") if score is None else float(score),
        interval=_interval_from_json(document.get("interval")),
        no_interval=no_interval,
    )


def _interval_from_json(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    low, high = value
    if not 0 <= low <= high <= 1:
        raise ValueError(f"{value!r} is not an interval of average precision")
    return float(low), float(high)
