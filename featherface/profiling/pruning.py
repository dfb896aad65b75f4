"""Magnitude pruning: a copy of a network without its smallest weights.

Over all convolutions and linear layers together: Han et al., arXiv 1506.02626.
"""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils import prune

__all__ = ["pruned"]


def pruned(network: nn.Module, share: float) -> nn.Module:
    """Return a copy of `network` with the smallest `share`, 0..1, of its weights set to zero.

    Nothing is retrained, and nothing gets smaller or faster by itself: it shows how many weights matter.
    """
    smaller = copy.deepcopy(network)
    weights = [
        (module, "weight") for module in smaller.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=share)
    for module, name in weights:
        prune.remove(module, name)  # type: ignore[no-untyped-call]
    return smaller
