"""Security headers on every response of the server."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featherface.dashboard.server.streamlit_internals import inline_script_hashes

__all__ = ["MIDDLEWARE", "SecurityHeaders", "security_headers"]

_CONTENT_SECURITY_POLICY: Final = {
    "default-src": "'self'",
    # blob: Streamlit loads the script of a component, here the viewer's, from a blob made in the page; the
    # hashes of Streamlit's inline scripts are added
    "script-src": "'self' blob:",
    "style-src": "'self' 'unsafe-inline'",  # Streamlit and Plotly create style elements at run time
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "font-src": "'self' data:",
    # the WebSocket included; data: Streamlit's camera widget fetches its own shot as a data URL
    "connect-src": "'self' data:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
_OTHERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}


@cache
def security_headers() -> Mapping[str, str]:
    """Return the headers of every response; called after the start's check of Streamlit's private parts."""
    scripts = " ".join((_CONTENT_SECURITY_POLICY["script-src"], *inline_script_hashes()))
    policy = _CONTENT_SECURITY_POLICY | {"script-src": scripts}
    return {
        "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        **_OTHERS,
    }


class SecurityHeaders:
    """ASGI middleware that sets `security_headers` on every response, whichever route or error made it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to the start of its response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message).update(security_headers())
            await send(message)

        await self._app(scope, receive, send_with_headers)


MIDDLEWARE: Final = (Middleware(SecurityHeaders),)
