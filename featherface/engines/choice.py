"""The engines, best first, and which one runs.

ONNX Runtime and OpenVINO take about as long per pass. OpenVINO compiles anew for each input size: the first
pass at a new size takes about twice as long as a later one, and 20 sizes take 320 to 580 MB instead of 95 to
120 MB (`benchmarks/engine_choice.py`).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from featherface.engines.protocol import Engine, EngineError, Precision
from featherface.errors import install_hint

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "ENGINES",
    "ENGINE_VARIABLE",
    "EngineEntry",
    "chosen_engine",
    "default_engine",
    "installed_engines",
    "load_engine",
]

ENGINE_VARIABLE = "FEATHERFACE_ENGINE"  # the environment variable that names the engine


@dataclass(frozen=True)
class EngineEntry:
    """What the project knows of one engine."""

    key: str  # in commands and settings
    name: str  # for people
    packages: tuple[str, ...]  # modules that it needs
    precisions: tuple[Precision, ...]  # that it computes a network in
    file_precisions: tuple[Precision, ...]  # that it runs a model file in
    folds_batch_norm: bool = True  # into the convolutions, as the ONNX form does

    @property
    def installed(self) -> bool:
        """Whether every package is there."""
        return all(importlib.util.find_spec(package) is not None for package in self.packages)

    @property
    def version(self) -> str:
        """Return the version of the library, which must be installed."""
        return importlib.metadata.version(self.packages[-1])


_ENTRIES = (
    EngineEntry(
        key="onnxruntime",
        name="ONNX Runtime",
        packages=("onnx", "onnxruntime"),
        precisions=(Precision.FLOAT32,),
        file_precisions=(Precision.FLOAT32, Precision.FLOAT16, Precision.INT8),
    ),
    EngineEntry(
        key="openvino",
        name="OpenVINO",
        packages=("onnx", "openvino"),
        precisions=(Precision.FLOAT32, Precision.BFLOAT16),
        file_precisions=(Precision.FLOAT32, Precision.FLOAT16, Precision.BFLOAT16, Precision.INT8),
    ),
    EngineEntry(
        key="pytorch",
        name="PyTorch",
        packages=("torch",),
        precisions=(Precision.FLOAT32,),
        file_precisions=(Precision.FLOAT32,),  # the weights file
        folds_batch_norm=False,
    ),
)

ENGINES: Mapping[str, EngineEntry] = MappingProxyType({entry.key: entry for entry in _ENTRIES})


def installed_engines() -> tuple[str, ...]:
    """Return the keys of the engines that this installation can use, best first."""
    return tuple(key for key, entry in ENGINES.items() if entry.installed)


def default_engine() -> str:
    """Return the engine that FEATHERFACE_ENGINE names, or the best one installed.

    Raises EngineError for a name that is unknown or an engine that is not installed.
    """
    named = os.environ.get(ENGINE_VARIABLE, "").strip()
    return _known(named) if named else installed_engines()[0]


def chosen_engine(key: str | None) -> EngineEntry:
    """Return the entry of the engine `key`, which is `default_engine()` if None. Raises EngineError."""
    return ENGINES[_known(key or default_engine())]


def load_engine(
    network: nn.Module,
    key: str | None = None,
    threads: int = 1,
    precision: Precision = Precision.FLOAT32,
) -> Engine:
    """Load `network` into the engine `key`, which is `default_engine()` if None; the network stays as it is.

    Without a `key`, a network with layers that have no ONNX form runs in PyTorch. Raises EngineError.
    """
    entry = chosen_engine(key)
    if precision not in entry.precisions:
        choices = ", ".join(entry.precisions)
        raise EngineError(f"{entry.name} runs a network in {choices}, not in {precision}.")
    try:
        return _loaded(network, entry.key, threads, precision)
    except EngineError:
        if key is not None or entry.key == "pytorch":
            raise
        return _loaded(network, "pytorch", threads, Precision.FLOAT32)


def _known(key: str) -> str:
    if key not in ENGINES:
        raise EngineError(f"There is no engine {key!r}; choose from {', '.join(ENGINES)}.")
    if not ENGINES[key].installed:
        name = ENGINES[key].name
        raise EngineError(f"{name} is not installed; {install_hint('engines')}.")
    return key


def _loaded(network: nn.Module, key: str, threads: int, precision: Precision) -> Engine:
    # imported here, since each needs a package that may be missing and takes a while to import
    if key == "onnxruntime":
        from featherface.engines.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine.of_network(network, threads)
    if key == "openvino":
        from featherface.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine.of_network(network, threads, precision)
    from featherface.engines.pytorch_engine import PyTorchEngine

    return PyTorchEngine(network, threads)
