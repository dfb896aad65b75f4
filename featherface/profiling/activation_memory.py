"""Peak activation memory of one forward pass: which tensors live at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from featherface.models import MODELS
from featherface.profiling.layers import check_size
from featherface.profiling.parameters import network_on_meta

__all__ = ["PeakMemory", "peak_memory"]


@dataclass(frozen=True)
class PeakMemory:
    """The most bytes of float32 activations alive at once, and where.

    Followed tensor by tensor through a real forward pass without gradients. The input counts; the weights and
    scratch memory inside PyTorch's kernels do not, so a process needs somewhat more.
    """

    peak_bytes: int
    input_bytes: int
    operator: str  # running when the peak was reached
    module: str  # dotted path of the innermost module then running


class _Liveness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, pixels: Tensor, path: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[StorageWeakRef, int] = {}
        self.path = path
        self.peak_bytes = 0
        self.where = ("", "")
        self._note(pixels)

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        returned = operator(*args, **(kwargs or {}))
        self.alive = {storage: size for storage, size in self.alive.items() if not storage.expired()}  # type: ignore[no-untyped-call]
        if not operator.is_view:
            for value in tree_leaves(returned):
                self._note(value)
        total = sum(self.alive.values())
        if total > self.peak_bytes:
            self.peak_bytes, self.where = total, (operator.overloadpacket.__name__, self.path[-1])
        return returned

    def _note(self, value: object) -> None:
        if isinstance(value, Tensor):
            storage = value.untyped_storage()
            self.alive[StorageWeakRef(storage)] = storage.nbytes()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=64)
def peak_memory(key: str, height: int, width: int) -> PeakMemory:
    """Return the peak for one image of `height` x `width` pixels. Raises InputSizeError."""
    check_size(height, width)
    network = network_on_meta(MODELS[key])
    path = [""]
    for name, module in network.named_modules():
        module.register_forward_pre_hook(lambda module, _, name=name: path.append(name))
        module.register_forward_hook(lambda *_: path.pop() and None)
    pixels = torch.zeros(1, 3, height, width, device="meta")
    with torch.no_grad(), _Liveness(pixels, path) as mode:
        network(pixels)
    return PeakMemory(mode.peak_bytes, pixels.nbytes, *mode.where)
