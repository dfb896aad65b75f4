"""The export room's error."""

from __future__ import annotations

from featherface.errors import FeatherFaceError

__all__ = ["ExportError"]


class ExportError(FeatherFaceError):
    """A network cannot be exported as asked; the message is one sentence."""
