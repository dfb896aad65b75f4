"""What the pages promise: uploads stay in memory, and the server asks nobody outside."""

from __future__ import annotations

from starlette.formparsers import MultiPartParser
from streamlit import net_util

from featherface.config import MAX_BYTES

__all__ = ["ask_nobody_outside", "keep_uploads_off_disk"]


def keep_uploads_off_disk() -> None:
    """Have uploads received in memory: above 1 MB they would go to a temporary file.

    Raises AttributeError where Starlette has no such limit any more.
    """
    if not hasattr(MultiPartParser, "spool_max_size"):
        raise AttributeError("Starlette keeps uploads in another way than before; they might go to disk.")
    MultiPartParser.spool_max_size = MAX_BYTES + 1


def ask_nobody_outside() -> None:
    """Keep Streamlit from looking up this machine's public address.

    It would ask a service on the internet whenever a page of another site tries to open a session, and let
    all sessions wait for the answer, up to two seconds.
    """
    net_util.get_external_ip = lambda: None
