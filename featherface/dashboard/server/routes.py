"""Addresses that the server answers beside Streamlit's own."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route

__all__ = ["ROUTES"]


def _redirect_to_first_page(request: Request) -> RedirectResponse:
    """Send `/overview` to `/`, where Streamlit serves the first page; settings in the link are kept.

    The address is relative, so that it also holds behind a proxy that serves the dashboard under a path.
    """
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"./{query}")


ROUTES: Final[tuple[BaseRoute, ...]] = (Route("/overview", _redirect_to_first_page),)
