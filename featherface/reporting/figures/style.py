"""What the figures share. Fonts, background and grid come from the theme of the page or of the report."""

from __future__ import annotations

from base64 import b64encode

__all__ = ["BOTH_COLOUR", "chart_layout", "data_uri"]

BOTH_COLOUR = "#0d9488"  # what two models share; distinct from their blue and orange, in light and dark


def chart_layout(height: int, **parts: object) -> dict[str, object]:
    """Return the base layout of every chart, `height` in pixels, with further Plotly layout `parts`."""
    return {
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 40, "b": 10},
        "legend": {"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"},
        **parts,
    }


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG file as a data URI, which figures and HTML take as the address of an image."""
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
