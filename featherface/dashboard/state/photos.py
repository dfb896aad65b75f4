"""Photos that a person can look at: the bundled samples, and what the session has taken in."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Lock

import numpy as np
import streamlit as st
from cachetools import LRUCache, cached
from PIL import Image, ImageOps
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from featherface.detection.drawing import encode_picture
from featherface.detection.images import ImageError, Photo, decode_photo

__all__ = [
    "DISPLAY_SIDE",
    "FULL_SIZE",
    "SAMPLES",
    "PhotoFile",
    "Picture",
    "add_photos",
    "data_uri",
    "decode",
    "decoded",
    "forget_photo",
    "own_photos",
    "picture",
    "release_uploads",
    "remove_photo",
    "thumbnail",
]

DISPLAY_SIDE = 1280  # pixels; enough for half a wide screen with some zoom, some 200 kB as JPEG
_THUMBNAIL = (240, 180)  # pixels, width and height
_MAX_PHOTOS = 24  # of one session
_MAX_BYTES = 96 * 2**20  # of one session's files, kept as they came
_DECODED_BYTES = 192 * 2**20  # of all sessions: five 12-megapixel photos
_PICTURE_BYTES = 96 * 2**20  # of all sessions: some twenty pictures
FULL_SIZE = BoundedSemaphore(1)  # photos drawn on and encoded at once: 50 megapixels take a gigabyte
_DECODING = BoundedSemaphore(2)  # photos at once: 50 megapixels take half a gigabyte while decoded

_FOLDER = Path(__file__).resolve().parents[3] / "assets" / "samples"


@dataclass(frozen=True)
class PhotoFile:
    """A picture file that was found to be one."""

    key: str  # a sample's name in links, or the checksum of a person's own file
    name: str  # what people read
    source: Path | bytes
    about: str  # what it shows, in a few words


SAMPLES = (
    PhotoFile(
        "size_ladder",
        "Size ladder",
        _FOLDER / "size_ladder.jpg",
        "two portraits repeated in shrinking sizes",
    ),
    PhotoFile(
        "eileen_collins",
        "Eileen Collins",
        _FOLDER / "eileen_collins.jpg",
        "an astronaut in an orange suit, smiling",
    ),
    PhotoFile(
        "grace_hopper",
        "Grace Hopper",
        _FOLDER / "grace_hopper.jpg",
        "a naval officer with glasses before a flag",
    ),
    PhotoFile(
        "chelsea_the_cat", "Chelsea the cat", _FOLDER / "chelsea_the_cat.jpg", "the head of a ginger cat"
    ),
)


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo as the page shows it.

    small: at most DISPLAY_SIDE pixels a side. jpeg: the same as a file. width, height: the original's pixels.
    """

    small: Photo
    jpeg: bytes
    width: int
    height: int


def decode(source: bytes | Path) -> Photo:
    """Return a photo, one or two at a time for all sessions. Raises ImageError."""
    with _DECODING:
        return decode_photo(source)


@cached(
    LRUCache(_DECODED_BYTES, getsizeof=lambda photo: photo.pixels.nbytes),
    key=lambda file: file.key,
    lock=Lock(),
)
def decoded(file: PhotoFile) -> Photo:
    """Return the photo at full size. Raises ImageError."""
    return decode(file.source)


@cached(
    LRUCache(_PICTURE_BYTES, getsizeof=lambda shown: shown.small.pixels.nbytes + len(shown.jpeg)),
    key=lambda file: file.key,
    lock=Lock(),
)
def picture(file: PhotoFile) -> Picture:
    """Return the photo at display size. Raises ImageError."""
    photo = decoded(file)
    small = photo.shrunk(DISPLAY_SIDE)
    return Picture(small, encode_picture(small.pixels, "jpeg"), photo.width, photo.height)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={PhotoFile: lambda file: file.key})
def thumbnail(file: PhotoFile) -> bytes:
    """Return a small JPEG of the photo, cut to one shape for all. Raises ImageError."""
    whole = Image.fromarray(decoded(file).pixels)
    return encode_picture(np.asarray(ImageOps.fit(whole, _THUMBNAIL, centering=(0.5, 0.25))), "jpeg")


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG file as the text that a browser takes for an address."""
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def own_photos() -> list[PhotoFile]:
    """Return the photos of this session, oldest first; they go with it."""
    return st.session_state.setdefault("own_photos", [])


def add_photos(files: Iterable[UploadedFile]) -> list[str]:
    """Take files into the session and return one sentence for each that could not be used."""
    refusals = []
    for file in files:
        try:
            _add_photo(file.name, file.getvalue())
        except ImageError as error:
            refusals.append(f"{file.name}: {error}")
    return refusals


def release_uploads(files: Iterable[UploadedFile]) -> None:
    """Have Streamlit drop its copies of files, which it would keep for as long as the session lasts."""
    context = get_script_run_ctx()
    for file in files:
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def remove_photo(key: str) -> None:
    """Forget one photo of this session."""
    photos = own_photos()
    for file in [file for file in photos if file.key == key]:
        photos.remove(file)
        forget_photo(file)


def forget_photo(file: PhotoFile) -> None:
    """Drop what caches hold of a photo; another session that shows the same one decodes it anew."""
    for cached_photo in (decoded, picture):
        with cached_photo.cache_lock:
            cached_photo.cache.pop(file.key, None)
    thumbnail.clear(file)


def _add_photo(name: str, data: bytes) -> None:
    photos = own_photos()
    file = PhotoFile(hashlib.sha256(data).hexdigest(), name, data, "your own photo")
    if any(known.key == file.key for known in photos):
        return
    if len(photos) == _MAX_PHOTOS:
        raise ImageError(f"{_MAX_PHOTOS} photos are the limit; remove one first.")
    if len(data) + sum(len(known.source) for known in photos) > _MAX_BYTES:
        raise ImageError(f"Your photos would take more than {_MAX_BYTES // 2**20} MB; remove one first.")
    thumbnail(file)  # refuses what is no picture
    photos.append(file)
