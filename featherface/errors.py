"""The base class of the project's own errors, and parts of their messages."""

from __future__ import annotations

__all__ = ["FeatherFaceError", "install_hint", "sentence"]

_START, _END = 300, 90  # characters kept from the start and the end of a long message


class FeatherFaceError(Exception):
    """Base of the project's errors; the message is one sentence: what is wrong and what to do."""


def sentence(text: str) -> str:
    """Return `text` on one line, with unprintable characters escaped and the middle of a long text cut."""
    line = " ".join(text.split())
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    return shown if len(shown) <= _START + _END else f"{shown[:_START]} ... {shown[-_END:]}"


def install_hint(extra: str) -> str:
    """Return how to install an extra of pyproject.toml: from the checkout, as no package index has it.

    The interpreter is the one of the environment that `make` creates; nothing activates that environment.
    """
    command = f".venv/bin/python -m pip install -c constraints.txt -e '.[{extra}]'"
    return f"install it with: {command}"
