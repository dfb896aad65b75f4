"""The server's own routes, besides those of Streamlit."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

__all__ = ["ROUTES"]


def _redirect_to_first_page(request: Request) -> RedirectResponse:
    """Redirect `/overview` to `/`, where Streamlit serves the first page; settings in the link are kept.

    The address is relative, so it is also right under `server.baseUrlPath` and behind a proxy that serves the
    dashboard under a path.
    """
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"./{query}")


async def _serve_live_view(socket: WebSocket) -> None:
    """Serve the live view's frames; the networks are imported with the first page, not with the server."""
    from featherface.dashboard.server.live_socket import live_socket

    await live_socket()(socket)


async def _serve_photo_region(request: Request) -> Response:
    """Serve a part of a photo; what decodes photos is imported with the first page, not with the server."""
    from featherface.dashboard.server.region_route import serve_region

    return await serve_region(request)


_REGION = "/photos/{token}/{region}"

ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/overview", _redirect_to_first_page),
    Route("/{base:path}/overview", _redirect_to_first_page),
    WebSocketRoute("/live/frames", _serve_live_view),
    WebSocketRoute("/{base:path}/live/frames", _serve_live_view),
    Route(_REGION, _serve_photo_region),
    Route("/{base:path}" + _REGION, _serve_photo_region),
)
