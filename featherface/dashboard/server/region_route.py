"""The route under which a browser fetches parts of the photo that its own session has open.

The address holds a secret token of that session, so no other visitor and no other site can ask for it. What
one request returns is small, few are made at once, and a crowd of requests is refused.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from featherface.dashboard.state.photo_regions import RegionError, opened_photo, region_jpeg
from featherface.errors import FeatherFaceError

__all__ = ["serve_region"]

_AT_ONCE: Final = 2  # regions made at the same time: each decodes, scales and encodes on one core
_MAX_WAITING: Final = 256  # requests; one browser asks for some fifty when it zooms
_REGION: Final = re.compile(r"[0-9]{1,6}(,[0-9]{1,6}){4}")
_HEADERS: Final = {
    "Cache-Control": "private, max-age=600",  # both views of a page ask for the same regions
    "Cross-Origin-Resource-Policy": "same-origin",
}


@cache
def _limiter() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(_AT_ONCE)


async def serve_region(request: Request) -> Response:
    """Return a JPEG of the region `left,top,right,bottom,size`.

    Answers 404 for an unknown token or region, and 503 while too many requests wait.
    """
    file = opened_photo(request.path_params["token"])
    if file is None:
        return PlainTextResponse("This photo is not open; reload the page.", 404)
    if not _REGION.fullmatch(request.path_params["region"]):
        return PlainTextResponse("A region is five whole numbers: left, top, right, bottom and size.", 404)
    if _limiter().statistics().tasks_waiting >= _MAX_WAITING:
        return PlainTextResponse("Too many requests wait; try again in a few seconds.", 503)
    left, top, right, bottom, size = (int(number) for number in request.path_params["region"].split(","))
    try:
        jpeg = await run_sync(region_jpeg, file, (left, top, right, bottom), size, limiter=_limiter())
    except RegionError as error:
        return PlainTextResponse(str(error), 404)
    except FeatherFaceError as error:  # no memory to decode the photo again
        return PlainTextResponse(str(error), 503)
    return Response(jpeg, media_type="image/jpeg", headers=_HEADERS)
