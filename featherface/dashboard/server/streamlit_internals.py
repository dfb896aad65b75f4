"""Everything that relies on a private or patched part of Streamlit, Starlette or Pillow, in one place."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from starlette.formparsers import MultiPartParser
from streamlit import file_util, net_util

from featherface.config import MAX_BYTES

__all__ = ["disable_public_ip_lookup", "inline_script_hashes", "keep_uploads_in_memory"]


def keep_uploads_in_memory() -> None:
    """Have uploads received in memory: above 1 MB they would go to a temporary file.

    Raises AttributeError where Starlette has no such limit any more.
    """
    if not hasattr(MultiPartParser, "spool_max_size"):
        raise AttributeError("Starlette keeps uploads in another way than before; they might go to disk.")
    MultiPartParser.spool_max_size = MAX_BYTES + 1


def disable_public_ip_lookup() -> None:
    """Keep Streamlit from looking up this machine's public address.

    It would ask a service on the internet whenever a page of another site tries to open a session, and let
    all sessions wait for the answer, up to two seconds.
    """
    net_util.get_external_ip = lambda: None


def inline_script_hashes() -> tuple[str, ...]:
    """Return the source expressions that allow the inline scripts of Streamlit's page."""
    page = Path(file_util.get_static_dir(), "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    return tuple(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
