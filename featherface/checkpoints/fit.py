"""Check that named tensors are weights of a registered model: its names, shapes and dtypes, all finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from featherface.checkpoints.formats import WeightsError
from featherface.models import MODELS, FaceNetwork, ModelEntry

__all__ = ["closest_model", "require_fit"]


def require_fit(name: str, entry: ModelEntry, state: Mapping[str, Tensor]) -> None:
    """Raise WeightsError, which calls the file `name`, unless `state` is a state dict of `entry`."""
    differences = _differences(_expected(entry.builder), state)
    if differences:
        for other in MODELS.values():
            if other.key != entry.key and not _differences(_expected(other.builder), state):
                raise WeightsError(f"{name} contains weights of {other.name}, not of {entry.name}.")
        raise WeightsError(f"{name} does not fit {entry.name}: {', '.join(differences)}.")
    for tensor_name, tensor in state.items():
        values = tensor.detach().numpy()
        if not np.isfinite(values).all():
            raise WeightsError(f"{name} contains NaN or infinite values (in {tensor_name}).")
        if tensor_name.endswith("running_var") and (values < 0).any():
            raise WeightsError(f"{name} contains a negative variance (in {tensor_name}).")


def closest_model(name: str, state: Mapping[str, Tensor]) -> ModelEntry:
    """Return the model that shares the most tensors, by name and shape, with `state`.

    Raises WeightsError, which calls the file `name`, when no model shares any.
    """

    def shared_tensors(entry: ModelEntry) -> int:
        expected = _expected(entry.builder)
        return sum(key in state and state[key].shape == tensor.shape for key, tensor in expected.items())

    closest = max(MODELS.values(), key=shared_tensors)
    if shared_tensors(closest) == 0:
        names = " or ".join(entry.name for entry in MODELS.values())
        raise WeightsError(f"{name} contains none of the tensors of {names}.")
    return closest


@lru_cache(maxsize=16)
def _expected(builder: Callable[[], FaceNetwork]) -> Mapping[str, Tensor]:
    """Return the state dict that a model's network expects, as tensors without data."""
    with torch.device("meta"):
        return MappingProxyType(builder().state_dict())


def _differences(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Return one phrase for each kind of difference between `state` and `expected`."""
    missing = [name for name in expected if name not in state]
    unexpected = [name for name in state if name not in expected]
    common = [name for name in expected if name in state]
    phrases = [
        f"{len(names)} {kind} (first: {names[0]!r:.80})"
        for names, kind in ((missing, "missing"), (unexpected, "unexpected"))
        if names
    ]
    for attribute in ("shape", "dtype"):
        wrong = [
            name for name in common if getattr(state[name], attribute) != getattr(expected[name], attribute)
        ]
        if wrong:
            found, wanted = (_text(getattr(tensors[wrong[0]], attribute)) for tensors in (state, expected))
            phrases.append(f"{len(wrong)} with another {attribute} (first: {wrong[0]}, {found} not {wanted})")
    return phrases


def _text(value: torch.Size | torch.dtype) -> str:
    return "x".join(map(str, value)) or "a scalar" if isinstance(value, torch.Size) else str(value)
