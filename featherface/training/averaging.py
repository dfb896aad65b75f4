"""Finish weights: average several training stages, and recalibrate confidence and box size.

An average often scores higher than each of its stages: Wortsman et al., Model soups, arXiv:2203.05482.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from featherface.config import VARIANCES

__all__ = ["averaged_state", "recalibrated_state", "resized_state"]

_CLASS_BIASES = r"(^ClassHead|\.cls_head)\b.*\.bias$"  # background and face alternate, for two anchors
_FINEST_BOX_BIAS = r"^(BboxHead\.0\.conv1x1|shared_heads\.0\.bbox_head)\.bias$"  # x, y, width, height, twice


def averaged_state(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of state dicts of one network.

    The stages must descend from one another: the mean of independently trained networks is useless.
    Counters, which are integers, are taken from the last state.
    """
    averaged: dict[str, Tensor] = {}
    for name, last in states[-1].items():
        if last.is_floating_point():
            averaged[name] = torch.stack([state[name].double() for state in states]).mean(0).to(last.dtype)
        else:
            averaged[name] = last.clone()
    return averaged


def recalibrated_state(
    state: Mapping[str, Tensor], log_odds: float, *, scale: float = 1.0
) -> dict[str, Tensor]:
    """Return the state dict of a network whose face log-odds are `scale` times as high, less `log_odds`.

    The order of detections, and so average precision, stays the same but for detections that pass the lowest
    score that counts, or no longer do. Use it when training has changed how many faces a confidence of 0.5
    finds. Raises ValueError for a network without class heads that it knows.
    """
    changed = dict(state)
    layers = [name.removesuffix(".bias") for name in state if re.search(_CLASS_BIASES, name)]
    if not layers:
        raise ValueError("The network has no class heads called ClassHead or cls_head.")
    for layer in layers:
        weight, bias = state[f"{layer}.weight"], state[f"{layer}.bias"]
        shift = torch.zeros_like(bias)
        shift[1::2] = log_odds
        changed |= {f"{layer}.weight": weight * scale, f"{layer}.bias": bias * scale - shift}
    return changed


def resized_state(state: Mapping[str, Tensor], factors: Sequence[tuple[float, float]]) -> dict[str, Tensor]:
    """Return the state dict of a network whose boxes on the finest level are larger by `factors`.

    `factors` are width and height for each of that level's two anchors (16 and 32 pixels). Use it where
    detections of small faces are smaller than people's labels. Raises ValueError for a network without a box
    head that it knows.
    """
    names = [name for name in state if re.search(_FINEST_BOX_BIAS, name)]
    if not names:
        raise ValueError("The network has no box head called BboxHead.0 or shared_heads.0.")
    growth = [(0.0, 0.0, math.log(width), math.log(height)) for width, height in factors]
    bias = state[names[0]]
    return dict(state) | {names[0]: bias + bias.new_tensor(growth).flatten() / VARIANCES[1]}
