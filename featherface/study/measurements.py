"""Everything measured of the models: what claims, radar and recommendations are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featherface.profiling.complexity import Cost
from featherface.profiling.latency import LatencyResult, Noise, SpeedUp, noise, speed_up
from featherface.profiling.machine import Machine
from featherface.profiling.pruning import PrunedScore
from featherface.profiling.quantisation import QuantisedSize
from featherface.study.provenance import Badge

__all__ = ["Accuracy", "Measurements", "ModelMeasurements"]


@dataclass(frozen=True)
class Accuracy:
    """Average precision on the three subsets of WIDER FACE, 0 to 1, and how it was got."""

    easy: float
    medium: float
    hard: float
    protocol: str  # ground truth and input size
    images: int
    badge: Badge
    source: str  # the weights and when, or the publication

    @property
    def mean(self) -> float:
        """The mean of the three, what the publication of V1 calls overall average precision."""
        return (self.easy + self.medium + self.hard) / 3


@dataclass(frozen=True)
class ModelMeasurements:
    """What is known of one model; None or empty where it was not measured."""

    cost: Cost
    stored_bytes: int  # float32 state dict
    int8: QuantisedSize
    weights: str  # which weights these are; "seeded" where cost and latency alone matter
    accuracy: Accuracy | None = None
    pruning: tuple[PrunedScore, ...] = ()


@dataclass(frozen=True)
class Measurements:
    """The measurements of all models, made in one go on one machine."""

    when: str  # ISO 8601
    machine: Machine
    models: Mapping[str, ModelMeasurements]
    latency: LatencyResult | None = None

    @property
    def speed_up(self) -> SpeedUp | None:
        """How many times faster V2 is."""
        return self.latency and speed_up(self.latency)

    @property
    def noise(self) -> Noise | None:
        """How disturbed the latency measurement was."""
        return self.latency and noise(self.latency)

    def parameters(self, key: str, group: str | None = None) -> int:
        """Parameters of a model, or of one of the study's groups of it."""
        cost = self.models[key].cost
        if group is None:
            return cost.parameters
        return next(row.parameters for row in cost.groups if row.group == group)
