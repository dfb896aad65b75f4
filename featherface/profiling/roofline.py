"""The roofline of this machine: its peak arithmetic and memory performance, and what a network reaches.

Williams et al., "Roofline", CACM 52(4), 2009.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from featherface.profiling.complexity import Cost
from featherface.profiling.machine import Machine, now, this_machine

__all__ = ["MachinePeak", "measure_peak", "reached_gflops"]

_MATRIX_SIDE = 1536  # large enough to hide the start-up of a product, 9 MB per matrix
_COPY_VALUES = 64 * 1024**2  # 268 MB per buffer, more than common caches hold
_SECONDS = 0.5  # of repeating each; the best run counts, since other load only slows runs down


@dataclass(frozen=True)
class MachinePeak:
    """Peak float32 performance seen in about one second, by matrix products and by copying memory."""

    gflops: float  # 1e9 floating-point operations per second
    gigabytes_per_second: float  # 1e9 bytes read and written per second
    when: str
    machine: Machine

    @property
    def ridge(self) -> float:
        """Return the intensity, FLOPs per byte, above which arithmetic rather than memory is the limit."""
        return self.gflops / self.gigabytes_per_second

    def attainable_gflops(self, intensity: float) -> float:
        """Return the roof at an arithmetic intensity in FLOPs per byte."""
        return min(self.gflops, intensity * self.gigabytes_per_second)


def measure_peak() -> MachinePeak:
    """Measure with PyTorch's current number of threads; takes about a second and 0.5 GB."""
    matrix = torch.rand(_MATRIX_SIDE, _MATRIX_SIDE)
    product = torch.empty_like(matrix)
    source = torch.zeros(_COPY_VALUES)
    copy = torch.zeros_like(source)
    product_seconds = _fastest(lambda: torch.mm(matrix, matrix, out=product))
    copy_seconds = _fastest(lambda: copy.copy_(source))
    return MachinePeak(
        gflops=2 * _MATRIX_SIDE**3 / product_seconds / 1e9,
        gigabytes_per_second=2 * source.nbytes / copy_seconds / 1e9,
        when=now(),
        machine=this_machine(),
    )


def reached_gflops(cost: Cost, milliseconds: float) -> float:
    """Return the GFLOPS of a network that takes `milliseconds` per image, batch norm folded."""
    return cost.folded_flops / milliseconds / 1e6


def _fastest(work: Callable[[], object]) -> float:
    work()  # warm-up: pages, threads
    best = float("inf")
    stop = time.perf_counter() + _SECONDS
    while time.perf_counter() < stop:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
