"""How many of the smallest weights a network can lose before it shows.

Magnitude pruning over all convolutions and linear layers together: Han et al., arXiv 1506.02626.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.utils import prune

__all__ = ["PRUNING_FRACTIONS", "PrunedScore", "pruned", "pruning_curve", "tolerated_fraction"]

PRUNING_FRACTIONS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)  # the study names 10 to 20 %


@dataclass(frozen=True)
class PrunedScore:
    """A network's score, such as its mean average precision, with a share of its weights set to zero."""

    fraction: float
    score: float


def pruned(network: nn.Module, fraction: float) -> nn.Module:
    """A copy of `network` with the smallest `fraction` of its convolution and linear weights set to zero.

    Nothing is trained again and nothing gets smaller or faster by itself: it shows how many weights matter.
    """
    smaller = copy.deepcopy(network)
    weights = [
        (module, "weight") for module in smaller.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=fraction)
    for module, name in weights:
        prune.remove(module, name)  # type: ignore[no-untyped-call]
    return smaller


def pruning_curve(
    network: nn.Module,
    score: Callable[[nn.Module], float],
    fractions: Sequence[float] = PRUNING_FRACTIONS,
) -> tuple[PrunedScore, ...]:
    """Score a pruned copy for each fraction."""
    return tuple(PrunedScore(fraction, score(pruned(network, fraction))) for fraction in fractions)


def tolerated_fraction(curve: Sequence[PrunedScore], loss: float = 0.01) -> float:
    """The largest fraction up to which every score stays within `loss` of the unpruned one, the first."""
    tolerated = 0.0
    for point in curve:
        if point.score < curve[0].score - loss:
            break
        tolerated = point.fraction
    return tolerated
