"""The JSON files of stress runs (mPC and rPC) and of attribute slices, with their provenance."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isnan, nan
from pathlib import Path
from typing import Any, TypeVar

from featherface.errors import FeatherFaceError, sentence
from featherface.files import write_files
from featherface.robustness.attribute_slices import Slice
from featherface.robustness.corruptions import CORRUPTIONS
from featherface.robustness.labelled_stress import Condition, Estimate, Robustness

__all__ = [
    "ResultsError",
    "SavedSlices",
    "SavedStress",
    "estimate_entry",
    "load_slices",
    "load_stress",
    "save_slices",
    "save_stress",
    "shipped_slices",
    "shipped_stress",
    "slice_entry",
]


_LOG = logging.getLogger(__name__)
_Saved = TypeVar("_Saved")


class ResultsError(FeatherFaceError):
    """A file of results cannot be read; the message names it."""


@dataclass(frozen=True)
class SavedStress:
    """The robustness of one model and where it comes from."""

    model: str  # key in MODELS
    weights_sha256: str
    image_set: str
    resize: str
    input_size: int  # pixels; unused at original size
    date: str  # ISO 8601
    used_for_selection: bool  # whether the checkpoint was also selected on these images
    robustness: Robustness


@dataclass(frozen=True)
class SavedSlices:
    """The attribute slices of one model and where they come from."""

    model: str  # key in MODELS
    weights_sha256: str
    image_set: str
    images: int
    confidence: float  # of recall
    date: str  # ISO 8601
    used_for_selection: bool
    slices: tuple[Slice, ...]


def save_stress(path: Path, results: Iterable[SavedStress]) -> None:
    """Write `results` as JSON; null stands for a score where no face counts."""
    document = {"stress": [_to_json(saved) for saved in results]}
    write_files({path: f"{json.dumps(document, indent=1)}\n".encode()})


def load_stress(path: Path) -> list[SavedStress]:
    """Read what `save_stress` wrote; raises `ResultsError`."""
    return _loaded(path, "stress", _stress_from_json)


def save_slices(path: Path, results: Iterable[SavedSlices]) -> None:
    """Write `results` as JSON."""
    document = {
        "attributes": [
            {**vars(saved), "slices": [slice_entry(one) for one in saved.slices]} for saved in results
        ]
    }
    write_files({path: f"{json.dumps(document, indent=1)}\n".encode()})


def load_slices(path: Path) -> list[SavedSlices]:
    """Read what `save_slices` wrote; raises `ResultsError`."""
    return _loaded(path, "attributes", _slices_from_json)


def shipped_stress(folder: Path, sha256: Mapping[str, str]) -> list[SavedStress]:
    """Return the stress results beside the weights in `folder`, in the order of `sha256`.

    sha256: checksum of the current weights by model; results of other weights are left out, and unreadable
    files are logged.
    """
    found = _shipped(folder / "evaluation" / "robustness", load_stress)
    return [one for key in sha256 for one in found if (one.model, one.weights_sha256) == (key, sha256[key])]


def shipped_slices(folder: Path, sha256: Mapping[str, str]) -> list[SavedSlices]:
    """Return the attribute slices beside the weights in `folder`, as `shipped_stress` does."""
    found = _shipped(folder / "evaluation" / "attributes", load_slices)
    return [one for key in sha256 for one in found if (one.model, one.weights_sha256) == (key, sha256[key])]


def slice_entry(one: Slice) -> dict[str, object]:
    """Return a slice as plain JSON values."""
    measures = {"average_precision": one.average_precision, "recall": one.recall}
    return {
        **vars(one),
        **{name: None if part is None else estimate_entry(part) for name, part in measures.items()},
    }


def estimate_entry(estimate: Estimate) -> dict[str, object]:
    """Return an estimate as plain JSON values."""
    return {**asdict(estimate), "value": _or_null(estimate.value)}


def _loaded(path: Path, key: str, parse: Callable[[Mapping[str, Any]], _Saved]) -> list[_Saved]:
    """Read the list `key` of a JSON file; raises `ResultsError`."""
    try:
        return [parse(saved) for saved in json.loads(path.read_bytes())[key]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ResultsError(sentence(f"{path} is not a readable file of results: {error}.")) from error


def _shipped(folder: Path, load: Callable[[Path], list[_Saved]]) -> list[_Saved]:
    found: list[_Saved] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found += load(path)
        except ResultsError:
            _LOG.exception("%s is not used.", path.name)
    return found


def _or_null(value: float) -> float | None:
    return None if isnan(value) else value


def _to_json(saved: SavedStress) -> dict[str, object]:
    about = {name: value for name, value in vars(saved).items() if name != "robustness"}
    found = saved.robustness
    return {
        **about,
        "protocol": found.protocol,
        "images": found.images,
        "corruptions": found.corruptions,
        "severities": found.severities,
        **{name: _estimates_to_json(getattr(found, name)) for name in ("clean", "mpc", "rpc")},
        "conditions": [
            {**asdict(condition), "scores": {name: _or_null(score) for name, score in scores.items()}}
            for condition, scores in found.by_condition.items()
        ],
        "rpc_resampled": [_or_null(round(share, 5)) for share in found.rpc_resampled],
    }


def _estimates_to_json(estimates: Mapping[str, Estimate]) -> dict[str, object]:
    return {name: estimate_entry(estimate) for name, estimate in estimates.items()}


def _stress_from_json(document: Mapping[str, Any]) -> SavedStress:
    datetime.fromisoformat(document["date"])
    unknown = [key for key in document["corruptions"] if key not in CORRUPTIONS]
    if unknown:
        raise ValueError(f"there is no corruption {unknown[0]!r}")
    robustness = Robustness(
        protocol=str(document["protocol"]),
        images=int(document["images"]),
        corruptions=tuple(document["corruptions"]),
        severities=tuple(int(severity) for severity in document["severities"]),
        clean=_estimates(document["clean"]),
        mpc=_estimates(document["mpc"]),
        rpc=_estimates(document["rpc"]),
        by_condition={
            Condition(str(part["corruption"]), int(part["severity"])): {
                str(name): _score(score) for name, score in part["scores"].items()
            }
            for part in document["conditions"]
        },
        rpc_resampled=tuple(_score(share) for share in document.get("rpc_resampled", ())),
    )
    return SavedStress(
        model=str(document["model"]),
        weights_sha256=str(document["weights_sha256"]),
        image_set=str(document["image_set"]),
        resize=str(document["resize"]),
        input_size=int(document["input_size"]),
        date=str(document["date"]),
        used_for_selection=document["used_for_selection"] is True,
        robustness=robustness,
    )


def _slices_from_json(document: Mapping[str, Any]) -> SavedSlices:
    datetime.fromisoformat(document["date"])
    return SavedSlices(
        model=str(document["model"]),
        weights_sha256=str(document["weights_sha256"]),
        image_set=str(document["image_set"]),
        images=int(document["images"]),
        confidence=float(document["confidence"]),
        date=str(document["date"]),
        used_for_selection=document["used_for_selection"] is True,
        slices=tuple(
            Slice(
                attribute=str(one["attribute"]),
                value=str(one["value"]),
                band=str(one["band"]),
                faces=int(one["faces"]),
                images=int(one["images"]),
                average_precision=_estimate_or_none(one["average_precision"]),
                recall=_estimate_or_none(one["recall"]),
                suppressed=str(one["suppressed"]),
            )
            for one in document["slices"]
        ),
    )


def _estimate_or_none(part: Mapping[str, Any] | None) -> Estimate | None:
    return None if part is None else _estimate(part)


def _estimates(document: Mapping[str, Any]) -> dict[str, Estimate]:
    return {str(name): _estimate(part) for name, part in document.items()}


def _estimate(part: Mapping[str, Any]) -> Estimate:
    interval = part["interval"]
    if interval is not None:
        low, high = interval
        interval = float(low), float(high)
    return Estimate(_score(part["value"]), interval, str(part["no_interval"]))


def _score(value: Any) -> float:
    if value is None:
        return nan
    score = float(value)
    if not 0 <= score < float("inf"):
        raise ValueError(f"{value!r} is not a score")
    return score
