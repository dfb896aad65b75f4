"""Precision-recall curves kept as data, with what they were measured on, for the dashboard to draw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.average_precision import Curve, Evaluation
from featherface.files import write_files

__all__ = ["CurvesError", "SavedCurves", "load_curves", "parse_curves", "save_curves"]

_ARRAYS = ("precision", "recall", "thresholds")
_DECIMALS = 6
_MAX_COUNT = 10**9  # images, faces, pixels
_KINDS = {
    **dict.fromkeys(("model", "weights_sha256", "image_set", "resize", "date", "protocol"), str),
    **dict.fromkeys(("machine", "subsets"), dict),
}


class CurvesError(FeatherFaceError):
    """A curves file cannot be read; the message names it."""


@dataclass(frozen=True, eq=False)
class SavedCurves:
    """One model's evaluation and where it comes from."""

    model: str  # key in MODELS
    weights_sha256: str
    image_set: str  # what people read
    resize: str
    side: int  # pixels; without meaning at original size
    date: str  # ISO 8601
    machine: Mapping[str, object]
    evaluation: Evaluation


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
    """Read the bytes of a curves file called `name`; raises `CurvesError`."""
    try:
        document = json.loads(data)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair cannot be shown
        return [_from_json(saved) for saved in document["curves"]]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise CurvesError(sentence(f"{name} is not a readable curves file: {error}.")) from error


def _to_json(saved: SavedCurves) -> dict[str, object]:
    about = {name: value for name, value in vars(saved).items() if name != "evaluation"}
    evaluation = saved.evaluation
    subsets = {name: _curve_to_json(curve) for name, curve in evaluation.curves.items()}
    return about | {"protocol": evaluation.protocol, "images": evaluation.images, "subsets": subsets}


def _from_json(document: Mapping) -> SavedCurves:
    wrong = [name for name, kind in _KINDS.items() if not isinstance(document[name], kind)]
    if wrong:
        raise TypeError(f"{wrong[0]!r} is of another kind")
    datetime.fromisoformat(document["date"])
    about = {name: document[name] for name in SavedCurves.__dataclass_fields__ if name != "evaluation"}
    about["side"] = _count(document["side"])
    curves = {name: _curve_from_json(curve) for name, curve in document["subsets"].items()}
    if not any(curve.faces for curve in curves.values()):
        raise ValueError("no face counts in any subset")
    evaluation = Evaluation(document["protocol"], _count(document["images"]), curves)
    return SavedCurves(**about, evaluation=evaluation)


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        raise ValueError(f"{value!r} is no number of images, faces or pixels")
    return value


def _curve_to_json(curve: Curve) -> dict[str, object]:
    arrays = {name: np.round(getattr(curve, name), _DECIMALS).tolist() for name in _ARRAYS}
    score = curve.average_precision if curve.faces else None
    return {"faces": curve.faces, "average_precision": score, "interval": curve.interval} | arrays


def _curve_from_json(document: Mapping) -> Curve:
    arrays = {name: np.array(document[name], np.float64) for name in _ARRAYS}
    if len({array.shape for array in arrays.values()}) != 1 or arrays["recall"].ndim != 1:
        raise ValueError(f"{', '.join(_ARRAYS)} are not lists of one length")
    score = document["average_precision"]
    if score is not None and not 0 <= score <= 1:
        raise ValueError(f"{score!r} is no average precision")
    interval = document.get("interval")
    if interval is not None:
        low, high = interval
        if not 0 <= low <= high <= 1:
            raise ValueError(f"{interval!r} is no interval of average precision")
        interval = float(low), float(high)
    return Curve(
        **arrays,
        faces=_count(document["faces"]),
        average_precision=float("nan") if score is None else float(score),
        interval=interval,
    )
