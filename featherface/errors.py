"""Sentences for people that quote what a stranger wrote into a file."""

from __future__ import annotations

__all__ = ["sentence"]

_START, _END = 300, 90  # characters kept of a long one: which file and line, and how it ends


def sentence(text: str) -> str:
    """Return `text` on one line, what cannot be printed spelt as an escape, and cut in the middle if long."""
    line = " ".join(text.split())
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    return shown if len(shown) <= _START + _END else f"{shown[:_START]} ... {shown[-_END:]}"
