"""Measure one way to run a model on this machine: load time, latency from file to faces, memory, parity.

Each is measured in a process of its own (`deployment_process`), so that an engine that crashes or takes all
memory costs one row and not the server, and so that memory is that of one engine.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer
from typing import IO, Any, cast

import numpy as np

from featherface.detection.detections import Detections
from featherface.engines.choice import ENGINES
from featherface.export.parity import Parity, compare_faces
from featherface.export.variants import Variant, model_bytes
from featherface.profiling.deployment_process import DeploymentTask
from featherface.profiling.latency import LatencyResult, LatencySettings
from featherface.profiling.machine import now, this_machine

__all__ = ["Deployment", "DeploymentSource", "measure_deployment"]

_LOG = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_SECONDS = 600.0  # of one row; a hundred rounds of V1 on a slow machine take a minute

_LOGGED_BYTES = 4_000  # of what a process that failed wrote


@dataclass(frozen=True)
class DeploymentSource:
    """What is run: a model and the file of one variant.

    `photo` is timed from file to faces; the faces of `samples` are compared with `reference`, those that
    PyTorch finds in float32.
    """

    model: str  # key in MODELS
    weights_sha256: str
    variant: Variant
    path: Path
    photo: Path
    samples: tuple[Path, ...]
    reference: tuple[Detections, ...]


@dataclass(frozen=True)
class Deployment:
    """What was measured of one variant, or in `refused` why it was not, as one sentence."""

    model: str  # key in MODELS
    weights_sha256: str
    variant: Variant
    file_bytes: int = 0  # of the model, all its files together
    load_milliseconds: float = 0.0  # importing the engine and loading the file
    peak_bytes: int = 0  # of the whole process; 0 where the system does not say
    latency: LatencyResult | None = None  # of one photo, stage by stage; None where refused
    parity: Parity | None = None
    refused: str = ""


def measure_deployment(
    source: DeploymentSource, settings: LatencySettings, go_on: Callable[[int], bool]
) -> Deployment | None:
    """Measure `source` in a process of its own; return None if it was stopped.

    `go_on` is called with the number of rounds done, warm-up included, after each round; if it returns False,
    the process is killed. Engine and precision of `settings` do not count, those of the source do. A refusal,
    a crash and a process that takes more than ten minutes are returned, not raised.
    """
    command = [sys.executable, "-m", "featherface.profiling.deployment_process"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            cwd=_ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(settings.threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        timer = Timer(_LONGEST_SECONDS, process.kill)
        timer.start()
        try:
            stdin, stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
            stdin.write(json.dumps(_task(source, settings)._asdict()) + "\n")
            stdin.close()
            for line in stdout:
                message = json.loads(line)
                if "done" not in message:
                    return _deployment(source, settings, message)
                if not go_on(message["done"]):
                    return None
            return replace(_nothing(source), refused=_ending(source, process.wait(), errors))
        except BrokenPipeError:  # it ended before it read its task
            return replace(_nothing(source), refused=_ending(source, process.wait(), errors))
        finally:
            timer.cancel()
            process.kill()


def _task(source: DeploymentSource, settings: LatencySettings) -> DeploymentTask:
    variant = source.variant
    return DeploymentTask(
        model=source.model,
        engine=variant.engine,
        precision=variant.precision,
        format=variant.format,
        deformconv=variant.deformconv,
        path=str(source.path),
        photo=str(source.photo),
        samples=tuple(map(str, source.samples)),
        input_size=max(settings.height, settings.width),
        threads=settings.threads,
        runs=settings.runs,
        warmup=settings.warmup,
    )


def _nothing(source: DeploymentSource) -> Deployment:
    return Deployment(source.model, source.weights_sha256, source.variant)


def _deployment(
    source: DeploymentSource, settings: LatencySettings, message: Mapping[str, Any]
) -> Deployment:
    if "refused" in message:
        return replace(_nothing(source), refused=message["refused"])
    stages = {stage: tuple(spent) for stage, spent in message["milliseconds"].items()}
    latency = LatencyResult(
        settings=replace(settings, engine=source.variant.engine, precision=source.variant.precision),
        machine=replace(this_machine(), threads=settings.threads),
        when=now(),
        milliseconds={source.model: stages},
        cpu_share=message["cpu_share"],
        complete=True,
        engine_version=message["engine_version"],
    )
    return replace(
        _nothing(source),
        file_bytes=model_bytes(source.path),
        load_milliseconds=message["load_milliseconds"],
        peak_bytes=message["peak_bytes"],
        latency=latency,
        parity=compare_faces(source.reference, _faces(message["faces"])),
    )


def _faces(found: Sequence[Mapping[str, Any]]) -> list[Detections]:
    return [
        Detections(
            np.array(one["boxes"], np.float32).reshape(-1, 4),
            np.array(one["scores"], np.float32),
            np.array(one["landmarks"], np.float32).reshape(-1, 5, 2),
        )
        for one in found
    ]


def _ending(source: DeploymentSource, status: int, errors: IO[bytes]) -> str:
    """Return a sentence on a process that ended without a result; what it wrote last goes to the log."""
    errors.seek(0)
    _LOG.error(
        "A measurement ended with status %d: %s",
        status,
        errors.read()[-_LOGGED_BYTES:].decode(errors="replace"),
    )
    name = ENGINES[source.variant.engine].name
    if status == -signal.SIGKILL:
        return f"{name} was killed: it took too long, or the machine ran out of memory."
    if status < 0:
        return f"{name} crashed with {signal.Signals(-status).name} while it ran this file."
    return f"{name} ended with status {status} and without a result; the server log has the reason."
