"""The JSON file of a stress run: mPC and rPC of one or more models with their provenance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isnan, nan
from pathlib import Path
from typing import Any

from featherface.errors import FeatherFaceError, sentence
from featherface.files import write_files
from featherface.robustness.corruptions import CORRUPTIONS
from featherface.robustness.labelled_stress import Condition, Estimate, Robustness

__all__ = ["SavedStress", "StressResultsError", "estimate_entry", "load_stress", "save_stress"]


class StressResultsError(FeatherFaceError):
    """A file of stress results cannot be read; the message names it."""


@dataclass(frozen=True)
class SavedStress:
    """The robustness of one model and where it comes from."""

    model: str  # key in MODELS
    weights_sha256: str
    image_set: str
    resize: str
    side: int  # pixels; unused at original size
    date: str  # ISO 8601
    used_for_selection: bool  # whether these images also chose the checkpoint
    robustness: Robustness


def save_stress(path: Path, results: Iterable[SavedStress]) -> None:
    """Write `results` as JSON; null stands for a score where no face counts."""
    document = {"stress": [_to_json(saved) for saved in results]}
    write_files({path: f"{json.dumps(document, indent=1)}\n".encode()})


def load_stress(path: Path) -> list[SavedStress]:
    """Read what `save_stress` wrote; raises `StressResultsError`."""
    try:
        return [_from_json(saved) for saved in json.loads(path.read_bytes())["stress"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StressResultsError(
            sentence(f"{path} is not a readable file of stress results: {error}.")
        ) from error


def estimate_entry(estimate: Estimate) -> dict[str, object]:
    """Return an estimate as plain JSON values."""
    return {**asdict(estimate), "value": _or_null(estimate.value)}


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
    }


def _estimates_to_json(estimates: Mapping[str, Estimate]) -> dict[str, object]:
    return {name: estimate_entry(estimate) for name, estimate in estimates.items()}


def _from_json(document: Mapping[str, Any]) -> SavedStress:
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
    )
    return SavedStress(
        model=str(document["model"]),
        weights_sha256=str(document["weights_sha256"]),
        image_set=str(document["image_set"]),
        resize=str(document["resize"]),
        side=int(document["side"]),
        date=str(document["date"]),
        used_for_selection=document["used_for_selection"] is True,
        robustness=robustness,
    )


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
