"""The measurements of the study's two models, from which claims, findings and advice are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featherface.evaluation.engine_accuracy import EngineAccuracy
from featherface.evaluation.paired_bootstrap import PrecisionComparison
from featherface.profiling.complexity import Cost
from featherface.profiling.latency import LatencyResult, Noise, SpeedUp, noise, speed_up
from featherface.profiling.machine import Machine
from featherface.profiling.quantisation import QuantisedSize
from featherface.study.provenance import Badge
from featherface.study.pruned_training import PrunedTraining
from featherface.study.pruning_curve import PruningCurve

__all__ = [
    "SELECTION_NOTE",
    "SELECTION_REMARK",
    "STUDY_MODELS",
    "V1",
    "V2",
    "Accuracy",
    "Measurements",
    "ModelMeasurements",
]

V1, V2 = STUDY_MODELS = ("v1", "v2")  # keys in MODELS of the two that the study compares, the baseline first
SELECTION_NOTE = "The checkpoints were also selected on these images, so the scores are slightly optimistic."
SELECTION_REMARK = "; the checkpoint was also selected on these images"  # at the end of a source


@dataclass(frozen=True)
class Accuracy:
    """Average precision on the three subsets of WIDER FACE, 0 to 1, and its provenance.

    `mean_interval` is the 95% confidence interval of the mean; None where it is not known.
    """

    easy: float
    medium: float
    hard: float
    protocol: str  # ground truth, images and input size
    images: int
    badge: Badge
    source: str  # the weights and when, or the publication
    mean_interval: tuple[float, float] | None = None
    used_for_selection: bool = False  # whether the checkpoint was also selected on these images

    @property
    def mean(self) -> float:
        """Return the mean of the three, which the V1 paper calls overall average precision."""
        return (self.easy + self.medium + self.hard) / 3


@dataclass(frozen=True)
class ModelMeasurements:
    """What is known of one model; None where it was not measured."""

    cost: Cost
    stored_bytes: int  # float32 state dict
    int8: QuantisedSize
    weights: str  # which weights these are; "seeded" where only cost and latency matter
    accuracy: Accuracy | None = None
    pruning: PruningCurve | None = None
    pruned_training: PrunedTraining | None = None
    engines: EngineAccuracy | None = None  # its files and their average precision

    @property
    def int8_files(self) -> Mapping[str, int]:
        """Return the bytes of each int8 file that was scored, by engine and precision."""
        rows = self.engines.rows if self.engines else ()
        return {row.variant: row.file_bytes for row in rows if "int8" in row.variant}

    @property
    def int8_bytes(self) -> int:
        """Return the size of the smallest int8 file, or else of the quantised weights alone."""
        return min(self.int8_files.values(), default=self.int8.total_bytes)


@dataclass(frozen=True)
class Measurements:
    """The measurements of the study's two models on one machine.

    `latency` is that of the default engine, `latencies` are those of others. `comparison` is the paired
    comparison of the two models' average precision on the images of `accuracy`.
    """

    when: str  # ISO 8601
    machine: Machine
    models: Mapping[str, ModelMeasurements]  # V1, then V2
    latency: LatencyResult | None = None
    comparison: PrecisionComparison | None = None
    latencies: tuple[LatencyResult, ...] = ()

    def latency_in(self, engine: str) -> LatencyResult | None:
        """Return the latency in an engine, a key in ENGINES; None where it was not measured."""
        measured = (*((self.latency,) if self.latency else ()), *self.latencies)
        return next((latency for latency in measured if latency.settings.engine == engine), None)

    @property
    def speed_up(self) -> SpeedUp | None:
        """Return how many times faster V2 is."""
        return None if self.latency is None else speed_up(self.latency, V1, V2)

    @property
    def noise(self) -> Noise | None:
        """Return how disturbed the latency measurement was."""
        return None if self.latency is None else noise(self.latency)

    @property
    def accuracies(self) -> tuple[Accuracy, Accuracy] | None:
        """Return the accuracy of V1 and V2 if it was measured by one protocol on the same images."""
        first, second = self.models[V1].accuracy, self.models[V2].accuracy
        if first is None or second is None:
            return None
        alike = (first.protocol, first.images) == (second.protocol, second.images)
        return (first, second) if alike else None

    @property
    def accuracy_obstacle(self) -> str:
        """Return a sentence on why the models' average precision cannot be compared; "" if it can."""
        missing = [key.upper() for key, model in self.models.items() if model.accuracy is None]
        if missing:
            return f"The average precision of {' and '.join(missing)} has not been measured."
        if self.accuracies is None:
            return "The models were scored by different protocols or on different images."
        if self.comparison is None:
            return (
                "There is no paired confidence interval for these results; create one with "
                "`featherface evaluate --comparison`."
            )
        return ""

    @property
    def selection_note(self) -> str:
        """Return SELECTION_NOTE if a checkpoint was also selected on the images that scored it, else ""."""
        scored = [model.accuracy for model in self.models.values() if model.accuracy is not None]
        return SELECTION_NOTE if any(accuracy.used_for_selection for accuracy in scored) else ""

    def parameters(self, key: str, group: str | None = None) -> int:
        """Return the parameters of a model, or of one of its groups."""
        cost = self.models[key].cost
        if group is None:
            return cost.parameters
        return next(row.parameters for row in cost.groups if row.group == group)
