"""What a short stage of training gives back to a pruned network, and what pruning saves.

`featherface prune --trained` measures it and writes the file that the audit reads.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import dacite
from torch import Tensor, nn

from featherface.checkpoints import WeightsFile, load_network
from featherface.checkpoints.records import read_record
from featherface.engines.onnx_graph import onnx_model
from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.ground_truth import GroundTruth
from featherface.evaluation.image_sets import EncodedImage
from featherface.evaluation.paired_bootstrap import compare_precision
from featherface.evaluation.run import Predictor, predict_images
from featherface.files import write_files
from featherface.models import MODELS
from featherface.profiling.latency import LatencySettings, benchmark, speed_up
from featherface.profiling.pruning import channel_masks, keep_zeros, weight_masks, without_zero_channels
from featherface.study.pruning_curve import JudgedChange, PruningMeasurement

__all__ = [
    "PrunedNetworks",
    "PrunedTraining",
    "PrunedTrainingError",
    "TrainedPruning",
    "load_pruned_training",
    "measure_pruned_training",
    "save_pruned_training",
]

Pruned = Literal["weights", "channels"]
_MASKS: Mapping[Pruned, Callable[[nn.Module, float], dict[str, Tensor]]] = MappingProxyType(
    {"weights": weight_masks, "channels": channel_masks}
)


class PrunedTrainingError(FeatherFaceError):
    """A pruned network cannot be measured, or a file of such results not read; the message names the file."""


@dataclass(frozen=True)
class TrainedPruning(JudgedChange):
    """One pruned network before and after its training; precisions are means over the subsets, 0..1."""

    of: Pruned
    share: float  # of the weights, or of the channels inside the backbone's stages
    steps: int
    images_per_step: int
    parameters: int  # that are not zero
    before: float  # average precision without training
    after: float
    interval: tuple[float, float]  # 95% paired bootstrap, of `after` less the whole network's
    file_bytes: int  # of the ONNX file in float32
    times_faster: float  # median latency of the whole network / of this one, alternating rounds
    times_faster_interval: tuple[float, float]  # 95% bootstrap


@dataclass(frozen=True)
class PrunedNetworks:
    """Pruned and trained networks of one model, beside the whole network."""

    whole: float  # mean average precision of the whole network
    whole_parameters: int
    whole_bytes: int  # of its ONNX file in float32
    engine: str  # of the latencies, with its version
    rows: tuple[TrainedPruning, ...]

    def reduction(self, row: TrainedPruning) -> float:
        """Return the share of the parameters that a row does without, 0..1."""
        return 1 - row.parameters / self.whole_parameters


@dataclass(frozen=True)
class PrunedTraining(PrunedNetworks, PruningMeasurement):
    """The networks, and how they were measured, as a file holds them."""


def measure_pruned_training(
    weights: WeightsFile,
    trained: Sequence[Path],
    images: Sequence[EncodedImage],
    truth: GroundTruth,
    latency: LatencySettings,
) -> PrunedNetworks:
    """Measure weights that `featherface train` pruned, before and after that training.

    Raises PrunedTrainingError for weights that were not pruned and where the images are too few.
    """
    whole = load_network(MODELS[weights.key], weights.path, weights.sha256)
    reference = predict_images(Predictor(whole), images)
    rows, score, engine = [], 0.0, ""
    for path in trained:
        record = read_record(path, MODELS[weights.key])
        pruning = record.provenance.get("pruning")
        if not isinstance(pruning, Mapping):
            raise PrunedTrainingError(f"{path.name} was not pruned: its record does not say so.")
        masks = _MASKS[pruning["of"]](whole, pruning["share"])
        before = copy.deepcopy(whole)
        keep_zeros(before, masks)
        after = load_network(MODELS[weights.key], path, record.sha256)
        compared = compare_precision(reference, predict_images(Predictor(after), images), truth).mean
        if compared.interval is None:
            raise PrunedTrainingError(f"Pruning cannot be judged on these images. {compared.no_interval}")
        untrained = compare_precision(reference, predict_images(Predictor(before), images), truth).mean
        small = without_zero_channels(after) if pruning["of"] == "channels" else after
        *_, progress = benchmark({"whole": whole, "pruned": small}, [latency])
        (timed,) = progress.results
        faster = speed_up(timed, "whole", "pruned")
        score, engine = compared.first, f"{latency.engine} {timed.engine_version}"
        rows.append(
            TrainedPruning(
                of=pruning["of"],
                share=pruning["share"],
                steps=int(str(record.provenance["steps"])),
                images_per_step=int(str(record.provenance["images_per_step"])),
                parameters=_nonzero(small),
                before=untrained.second,
                after=compared.second,
                interval=compared.interval,
                file_bytes=_onnx_bytes(small),
                times_faster=faster.ratio,
                times_faster_interval=(faster.low, faster.high),
            )
        )
    return PrunedNetworks(
        whole=score,
        whole_parameters=sum(parameter.numel() for parameter in whole.parameters()),
        whole_bytes=_onnx_bytes(whole),
        engine=engine,
        rows=tuple(rows),
    )


def save_pruned_training(path: Path, found: PrunedTraining) -> None:
    """Write `found` as JSON."""
    write_files({path: f"{json.dumps(asdict(found), indent=1)}\n".encode()})


def load_pruned_training(path: Path) -> PrunedTraining:
    """Read what `save_pruned_training` wrote; raises PrunedTrainingError."""
    try:
        config = dacite.Config(cast=[tuple], strict=True)
        found = dacite.from_dict(PrunedTraining, json.loads(path.read_bytes()), config)
        datetime.fromisoformat(found.date)
        if not found.rows:
            raise ValueError("it has no rows")
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, dacite.DaciteError) as error:
        raise PrunedTrainingError(
            sentence(f"{path} is not a readable file of pruned networks: {error}.")
        ) from error
    return found


def _nonzero(network: nn.Module) -> int:
    return sum(int(parameter.count_nonzero()) for parameter in network.parameters())


def _onnx_bytes(network: nn.Module) -> int:
    return len(onnx_model(network).SerializeToString())
