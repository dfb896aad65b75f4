"""The photo that a session's browser may fetch at full resolution, part by part, under a secret address."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from threading import Lock
from typing import Final

import streamlit as st

from featherface.dashboard.state.photos import PhotoFile, decoded
from featherface.detection.drawing import encode_image
from featherface.detection.images import Photo
from featherface.errors import FeatherFaceError

__all__ = [
    "MAX_REGION_SIZE",
    "REGIONS_PATH",
    "OpenRegions",
    "RegionError",
    "close_regions",
    "opened_photo",
    "region_jpeg",
    "regions_address",
]

REGIONS_PATH: Final = "photos"  # relative to the page, so that it also holds behind a base path
MAX_REGION_SIZE: Final = 512  # pixels of the longer side of what one request returns

_files: dict[str, PhotoFile] = {}  # by token, of all sessions
_files_lock = Lock()


class RegionError(FeatherFaceError):
    """A part of a photo cannot be served."""


@dataclass(eq=False)
class OpenRegions:
    """The one photo that a session has open; empty texts for none."""

    token: str = ""
    key: str = ""  # of the photo

    def open(self, file: PhotoFile) -> None:
        """Open another photo in place of the present one."""
        token = secrets.token_urlsafe(32)
        with _files_lock:  # another run of the page may do the same
            _files.pop(self.token, None)
            _files[token] = file
            self.token, self.key = token, file.key

    def close(self) -> None:
        """Invalidate the address."""
        with _files_lock:
            _files.pop(self.token, None)
            self.token = self.key = ""


@st.cache_resource(scope="session", show_spinner=False, on_release=OpenRegions.close)
def _session_regions() -> OpenRegions:
    return OpenRegions()


def regions_address(file: PhotoFile) -> str:
    """Return the address below which this session's browser finds parts of the photo, relative to the page.

    It holds until the session opens another photo, removes this one or ends.
    """
    regions = _session_regions()
    if regions.key != file.key:
        regions.open(file)
    return f"{REGIONS_PATH}/{regions.token}"


def close_regions(key: str) -> None:
    """Invalidate the address of the photo `key` if this session has it open."""
    if _session_regions().key == key:
        _session_regions().close()


def opened_photo(token: str) -> PhotoFile | None:
    """Return the photo that a session has opened under this token; None for an unknown or old one."""
    with _files_lock:
        return _files.get(token)


def region_jpeg(file: PhotoFile, box: tuple[int, int, int, int], size: int) -> bytes:
    """Return a part of the photo as JPEG, scaled down to a longer side of `size` pixels if it has more.

    box: x1, y1, x2, y2 in pixels of the upright photo. Raises RegionError for a box outside the photo or a
    size above MAX_REGION_SIZE, and ImageError.
    """
    photo = decoded(file)
    left, top, right, bottom = box
    if not (0 <= left < right <= photo.width and 0 <= top < bottom <= photo.height):
        raise RegionError(f"The box {box} is not inside the photo of {photo.width} × {photo.height} pixels.")
    if not 0 < size <= MAX_REGION_SIZE:
        raise RegionError(f"A size of {size} pixels is not between 1 and {MAX_REGION_SIZE}.")
    return encode_image(Photo(photo.pixels[top:bottom, left:right]).shrunk(size).pixels, "jpeg")
