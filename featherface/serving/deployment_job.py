"""The Deploy page's measurement: every way to run each model, one after the other, in the benchmark queue."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from cachetools import LRUCache
from torch import nn

from featherface.checkpoints import WeightsFile
from featherface.detection.detections import Detections
from featherface.engines.protocol import Precision
from featherface.engines.pytorch_engine import PyTorchEngine
from featherface.errors import FeatherFaceError
from featherface.export.parity import found_faces
from featherface.export.sample_images import SAMPLE_PHOTOS, input_images
from featherface.export.variants import ExportFormat, Variant
from featherface.models import MODELS
from featherface.profiling.deployment import Deployment, DeploymentSource, measure_deployment
from featherface.profiling.latency import LatencySettings
from featherface.serving.benchmark_queue import Ending, QueuedJob

__all__ = ["DeploymentJob", "DeploymentRequest", "DeploymentStore", "UnusableExportError"]

_LOG = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]
_ARCHIVE_BYTES = 64 * 2**20  # of exports kept; all of two models together take 30 MB
_EXPORT_SECONDS = 300
_ERROR_PREFIX = "featherface: "  # of the command's own messages


class UnusableExportError(FeatherFaceError):
    """A model cannot be exported; the message is the command's sentence."""


@dataclass(frozen=True)
class DeploymentRequest:
    """What to measure: `rows` of a model and one way to run it, with the weights of each model."""

    weights: Mapping[str, WeightsFile]  # by model
    rows: tuple[tuple[str, Variant], ...]
    settings: LatencySettings
    photo: Path  # timed from file to faces


class DeploymentStore:
    """Exported files and the newest result of each row, for all sessions; all methods are thread-safe."""

    def __init__(self) -> None:
        self._exporting = Lock()  # held while a process exports: one at a time
        self._lock = Lock()  # guards the rest
        self._archives: LRUCache[tuple[str, str, str], bytes] = LRUCache(_ARCHIVE_BYTES, getsizeof=len)
        self._results: dict[tuple[str, str], Deployment] = {}  # by weights' checksum and variant
        self._newest: Deployment | None = None

    def archive(self, weights: WeightsFile, export_format: ExportFormat, precision: Precision) -> bytes:
        """Return the zip that `featherface export` writes, made by a process of its own when first asked for.

        Raises UnusableExportError.
        """
        key = weights.sha256, export_format.value, precision.value
        with self._exporting:
            with self._lock:
                kept = self._archives.get(key)
            if kept is None:
                kept = _exported(weights, export_format, precision)
                with self._lock:
                    self._archives[key] = kept
            return kept

    def add(self, result: Deployment) -> None:
        """Keep a result in place of an older one of the same row."""
        with self._lock:
            self._results[result.weights_sha256, result.variant.key] = result
            self._newest = result

    def newest(self) -> Deployment | None:
        """Return the result that was added last."""
        with self._lock:
            return self._newest

    def result(self, weights_sha256: str, variant: Variant) -> Deployment | None:
        """Return the newest result of a row measured with these weights, or None."""
        with self._lock:
            return self._results.get((weights_sha256, variant.key))


class DeploymentJob(QueuedJob):
    """One measurement and its progress. Results go to `store` row by row."""

    request: DeploymentRequest

    def __init__(self, request: DeploymentRequest, store: DeploymentStore) -> None:
        super().__init__(request)
        self._store = store
        self._rows = self._rounds = 0  # done; rounds of the row at work

    @property
    def share_done(self) -> float:
        """How much of the job is done, 0 to 1."""
        settings = self.request.settings
        row = self._rounds / (settings.runs + settings.warmup)
        return min(1.0, (self._rows + row) / len(self.request.rows))

    @property
    def status(self) -> str:
        """The number of the row at work, and what it is."""
        number = min(self._rows + 1, len(self.request.rows))
        model, variant = self.request.rows[number - 1]
        name = MODELS[model].short_name
        return (
            f"row {number} of {len(self.request.rows)}, {name} in {variant.engine_name}, {variant.precision}"
        )

    def run(self, networks: Mapping[str, nn.Module]) -> Ending:
        """Measure every row; one that is refused or crashes is a result like any other."""
        self.state = "running"
        with tempfile.TemporaryDirectory(prefix="featherface-") as folder:
            references = {model: _reference(networks[model]) for model in self.request.weights}
            for model, variant in self.request.rows:
                if self.must_stop():
                    return "stopped"
                result = self._measured(model, variant, Path(folder), references[model])
                if result is None:
                    return "stopped"
                self._store.add(result)
                self._rows, self._rounds = self._rows + 1, 0
        return "finished"

    def _measured(
        self, model: str, variant: Variant, folder: Path, reference: tuple[Detections, ...]
    ) -> Deployment | None:
        weights = self.request.weights[model]
        try:
            path = self._file(weights, variant, folder)
        except UnusableExportError as error:
            return Deployment(model, weights.sha256, variant, refused=str(error))
        source = DeploymentSource(
            model, weights.sha256, variant, path, self.request.photo, SAMPLE_PHOTOS, reference
        )
        return measure_deployment(source, self.request.settings, self._go_on)

    def _file(self, weights: WeightsFile, variant: Variant, folder: Path) -> Path:
        """Return the path of the file to run, unpacked into `folder` unless it is there."""
        if variant.format is None:
            return weights.path.resolve()
        path = folder / variant.file_name(weights.key, weights.path.name)
        if not path.exists():
            archive = self._store.archive(weights, variant.format, variant.stored)
            with zipfile.ZipFile(io.BytesIO(archive)) as file:
                file.extractall(folder)
        return path

    def _go_on(self, rounds: int) -> bool:
        self._rounds = rounds
        return not self.must_stop()


def _reference(network: nn.Module) -> tuple[Detections, ...]:
    return tuple(found_faces(PyTorchEngine(network), input_images(SAMPLE_PHOTOS)))


def _exported(weights: WeightsFile, export_format: ExportFormat, precision: Precision) -> bytes:
    """Run `featherface export` in a process of its own: neither a crash nor its memory is the server's."""
    with tempfile.TemporaryDirectory(prefix="featherface-") as folder:
        options = {
            "--model": weights.key,
            "--weights": f"{weights.key}={weights.path.resolve()}",
            "--format": export_format.value,
            "--precision": precision.value,
            "--out": folder,
        }
        arguments = [part for option in options.items() for part in option]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "featherface", "export", *arguments, "--json"],
                cwd=_ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=False,
                timeout=_EXPORT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise UnusableExportError("The export took too long; try again on an idle machine.") from error
        if done.returncode != 0:
            raise UnusableExportError(_reason(done.stderr))
        names = json.loads(done.stdout)[weights.key]["files"]
        return Path(folder, next(name for name in names if name.endswith(".zip"))).read_bytes()


def _reason(log: str) -> str:
    """Return the command's sentence; anything else goes to the log."""
    sentences = [line for line in log.splitlines() if line.startswith(_ERROR_PREFIX)]
    if sentences:
        return sentences[-1].removeprefix(_ERROR_PREFIX)
    _LOG.error("An export failed: %s", log)
    return "The export failed; the server log has the reason."
