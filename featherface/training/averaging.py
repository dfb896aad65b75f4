"""Average the weights of several training stages, which often scores higher than each of them.

Reference: Wortsman et al., Model soups, arXiv:2203.05482.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["averaged_state"]


def averaged_state(
    states: Sequence[Mapping[str, Tensor]], weights: Sequence[float] | None = None
) -> dict[str, Tensor]:
    """Return the mean of state dicts of one network, weighted by `weights` (equal if None).

    The stages must descend from one another: the mean of independently trained networks is useless.
    Counters, which are integers, are taken from the last state.
    """
    shares = torch.tensor([1.0] * len(states) if weights is None else list(weights), dtype=torch.float64)
    shares /= shares.sum()
    averaged: dict[str, Tensor] = {}
    for name, last in states[-1].items():
        if last.is_floating_point():
            stacked = torch.stack([state[name].double() for state in states], dim=-1)
            averaged[name] = (stacked * shares).sum(dim=-1).to(last.dtype)
        else:
            averaged[name] = last.clone()
    return averaged
