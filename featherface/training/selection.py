"""Two fixed halves of a development set: one selects weights, the other reports how good they are.

A score on the images that selected the weights is too high, because the best of several candidates is partly
the luckiest. The images of one half never influence which weights are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

__all__ = ["Half", "half_of"]

Half = Literal["selection", "reporting", "all"]
T = TypeVar("T")

_SLICES: dict[Half, slice] = {
    "selection": slice(0, None, 2),
    "reporting": slice(1, None, 2),
    "all": slice(None),
}


def half_of(items: Sequence[T], half: Half) -> list[T]:
    """Return every second item, from the first ("selection") or the second ("reporting"), or "all"."""
    return list(items[_SLICES[half]])
