"""How fast this machine can compute and move memory at best: the roof over the networks' speed.

Williams et al., "Roofline", CACM 52(4), 2009.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from featherface.profiling.machine import Machine, now, this_machine

__all__ = ["MachinePeak", "measure_peak"]

_MATRIX_SIDE = 1536  # large enough to hide the start-up of a product, 9 MB a matrix
_COPY_VALUES = 64 * 1024**2  # 256 MB a buffer, beyond the caches of common machines; a server may hold more
_SECONDS = 0.5  # of repeating each; the best run counts, since others only take time away


@dataclass(frozen=True)
class MachinePeak:
    """Best float32 speeds seen in about one second, by matrix product and by copying memory."""

    gflops: float  # 1e9 floating-point operations a second
    gigabytes_per_second: float  # 1e9 bytes read and written a second
    when: str
    machine: Machine

    @property
    def ridge(self) -> float:
        """FLOPs a byte from which on arithmetic, not memory, is the limit."""
        return self.gflops / self.gigabytes_per_second

    def attainable_gflops(self, intensity: float) -> float:
        """The roof at an arithmetic intensity in FLOPs a byte."""
        return min(self.gflops, intensity * self.gigabytes_per_second)


def measure_peak() -> MachinePeak:
    """Measure with the threads that PyTorch now uses; takes about a second and 0.5 GB."""
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


def _fastest(work: Callable[[], object]) -> float:
    work()  # warm-up: pages, threads
    best = float("inf")
    stop = time.perf_counter() + _SECONDS
    while time.perf_counter() < stop:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
