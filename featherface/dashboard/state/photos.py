"""The photos that a person can look at: the bundled samples and those uploaded in the session."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Final, cast, get_args

import numpy as np
import streamlit as st
from cachetools import LRUCache, cached
from PIL import Image, ImageOps
from streamlit.typing import UploadedFile

from featherface.detection.drawing import Hide, encode_image, hide_faces
from featherface.detection.images import ImageError, Photo, decode_photo, memory_errors_as_sentence
from featherface.files import short_name

__all__ = [
    "FULL_SIZE_DRAWING",
    "SAMPLES",
    "DisplayPhoto",
    "PhotoFile",
    "Upload",
    "add_photos",
    "decode",
    "decoded",
    "display_photo",
    "forget_photo",
    "own_photos",
    "preview",
    "remove_photo",
    "select_frame",
    "thumbnail",
]

FULL_SIZE_DRAWING = BoundedSemaphore(1)  # photos drawn at full size at once: 50 megapixels take 1 GB

_NAMELESS = "Photo"  # what a file without a name is called
_DISPLAY_SIZE = 1280  # pixels of the longer side: half a wide screen with some zoom, 200 kB as JPEG
_THUMBNAIL = (240, 180)  # pixels, width and height
_PREVIEW_SIZE = 480  # pixels of the longer side
_MAX_PHOTOS = 24  # per session
_MAX_BYTES = 96 * 10**6  # of one session's files, kept as uploaded
_DECODED_BYTES = 192 * 2**20  # of all sessions: five 12-megapixel photos
_DISPLAY_BYTES = 96 * 2**20  # of all sessions: about twenty photos
_DECODING = BoundedSemaphore(2)  # photos decoded at once: 50 megapixels take half a gigabyte each

_FOLDER = Path(__file__).resolve().parents[3] / "assets" / "samples"


@dataclass(frozen=True)
class PhotoFile:
    """An image file that is known to be readable."""

    key: str  # the name of a sample in links, or the SHA-256 of an uploaded file
    name: str  # for people
    source: Path | bytes
    about: str  # what it shows, in a few words
    notice: str = ""  # one sentence if the file is incomplete or blank
    credit: str = ""  # author and licence of a sample


SAMPLES: Final = (
    PhotoFile(
        "solvay_1927",
        "Solvay 1927",
        _FOLDER / "solvay_1927.jpg",
        "a group of 29 physicists in three rows",
        credit="Benjamin Couprie, 1927, public domain",
    ),
    PhotoFile(
        "eileen_collins",
        "Eileen Collins",
        _FOLDER / "eileen_collins.jpg",
        "an astronaut in an orange suit, smiling",
        credit="NASA, public domain",
    ),
    PhotoFile(
        "mill_workers",
        "Mill workers",
        _FOLDER / "mill_workers.jpg",
        "two girls at a machine, in profile",
        credit="Lewis W. Hine, public domain",
    ),
    PhotoFile(
        "bar",
        "In a bar",
        _FOLDER / "bar.jpg",
        "a couple in a dark bar, with six more faces behind them",
        credit="Jesper K. Pedersen, CC BY-SA 4.0, camera data removed",
    ),
    PhotoFile(
        "beach",
        "On the beach",
        _FOLDER / "beach.jpg",
        "people on a beach at many distances, some with sunglasses",
        credit="Jesper K. Pedersen, CC BY-SA 4.0, camera data removed",
    ),
    PhotoFile(
        "aircraft_engine",
        "Aircraft engine",
        _FOLDER / "aircraft_engine.jpg",
        "three mechanics behind a yellow engine in a dark hall",
        credit="United States government photographer, Library of Congress, public domain",
    ),
    PhotoFile(
        "dark_workshop",
        "Dark workshop",
        _FOLDER / "dark_workshop.jpg",
        "three people at work in front of a black background",
        credit="United States government photographer, Library of Congress, public domain",
    ),
    PhotoFile(
        "welder",
        "Welder",
        _FOLDER / "welder.jpg",
        "a welder whose eyes are covered by dark goggles",
        credit="United States government photographer, Library of Congress, public domain",
    ),
    PhotoFile(
        "close_up",
        "Close-up",
        _FOLDER / "close_up.jpg",
        "the face of a man with glasses that fills the photo",
        credit="Ruby Mizrahi, Wikimedia Foundation, CC BY-SA 3.0, scaled",
    ),
    PhotoFile(
        "size_ladder",
        "Size ladder",
        _FOLDER / "size_ladder.jpg",
        "two portraits repeated in shrinking sizes",
        credit="composed from photos by NASA and the United States Navy, public domain",
    ),
    PhotoFile(
        "grace_hopper",
        "Grace Hopper",
        _FOLDER / "grace_hopper.jpg",
        "a naval officer with glasses in front of a flag",
        credit="United States Navy, public domain",
    ),
    PhotoFile(
        "chelsea_the_cat",
        "Chelsea the cat",
        _FOLDER / "chelsea_the_cat.jpg",
        "the head of a ginger cat",
        credit="Stéfan van der Walt, CC0",
    ),
)


@dataclass(frozen=True)
class Upload:
    """What became of uploaded files."""

    chosen: str | None  # key of the first new photo, else of the first that was there before
    refusals: tuple[tuple[str, str], ...]  # name and reason of each file that cannot be used
    samples: tuple[tuple[str, str], ...] = ()  # name of each file that is a sample, and the sample's name


@dataclass(frozen=True, eq=False)
class DisplayPhoto:
    """A photo at display size.

    small: its longer side has at most 1280 pixels. jpeg: the same as a file. width, height: pixels of the
    original.
    """

    small: Photo
    jpeg: bytes
    width: int
    height: int


def decode(source: bytes | Path) -> Photo:
    """Decode a photo, at most two at a time for all sessions. Raises ImageError."""
    with _DECODING:
        return decode_photo(source)


_decoded: LRUCache[str, Photo] = LRUCache(_DECODED_BYTES, getsizeof=lambda photo: photo.pixels.nbytes)
_displayed: LRUCache[str, DisplayPhoto] = LRUCache(
    _DISPLAY_BYTES, getsizeof=lambda shown: shown.small.pixels.nbytes + len(shown.jpeg)
)
_decoded_lock, _displayed_lock = Lock(), Lock()
_adding = Lock()  # held while a session's list of photos grows, never while one is decoded


@cached(_decoded, key=lambda file: file.key, lock=_decoded_lock)
def decoded(file: PhotoFile) -> Photo:
    """Return the photo at full size. Raises ImageError."""
    return decode(file.source)


@cached(_displayed, key=lambda file: file.key, lock=_displayed_lock)
def display_photo(file: PhotoFile) -> DisplayPhoto:
    """Return the photo at display size. Raises ImageError."""
    photo = decoded(file)
    small = photo.shrunk(_DISPLAY_SIZE)
    return DisplayPhoto(small, encode_image(small.pixels, "jpeg"), photo.width, photo.height)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={PhotoFile: lambda file: file.key})
def thumbnail(file: PhotoFile, hide: Hide | None) -> bytes:
    """Return a small JPEG of the photo, cropped to 4:3. Raises ImageError.

    hide: make all of it unrecognisable, as it is shown before the models have found the faces.
    """
    with memory_errors_as_sentence("The photo"):
        whole = Image.fromarray(decoded(file).shrunk(_DISPLAY_SIZE).pixels)  # Pillow takes 100 ms for 12 MP
        pixels = np.asarray(ImageOps.fit(whole, _THUMBNAIL, centering=(0.5, 0.25)))
        if hide is not None:
            pixels = hide_faces(pixels, np.array([(0, 0, *_THUMBNAIL)]), hide)
        return encode_image(pixels, "jpeg")


@st.cache_data(max_entries=128, show_spinner=False, hash_funcs={PhotoFile: lambda file: file.key})
def preview(file: PhotoFile) -> bytes:
    """Return a JPEG of the whole photo for a grid of many. Raises ImageError."""
    return encode_image(decoded(file).shrunk(_PREVIEW_SIZE).pixels, "jpeg")


def own_photos() -> list[PhotoFile]:
    """Return the list of photos uploaded in this session, oldest first."""
    return cast(list[PhotoFile], st.session_state.setdefault("own_photos", []))


def add_photos(files: Iterable[UploadedFile]) -> Upload:
    """Add uploaded files to the session, whatever their names; what they are is decided by their content."""
    before = {file.key for file in own_photos()} | set(_sample_digests().values())
    sample_names = {sample.key: sample.name for sample in SAMPLES}
    keys, refusals, samples = [], [], []
    for file in files:
        name = _shown_name(file.name)
        try:
            key = _add_photo(file.name, file.getvalue())
        except ImageError as error:
            refusals.append((name, str(error)))
            continue
        keys.append(key)
        if key in sample_names:
            samples.append((name, sample_names[key]))
    new = [key for key in keys if key not in before]
    return Upload(next(iter([*new, *keys]), None), tuple(refusals), tuple(samples))


def select_frame(name: str, data: bytes) -> None:
    """Add an image file, such as a frame of a video, to this session's photos and select it.

    Raises ImageError.
    """
    st.session_state["photo"] = _add_photo(name, data)


def remove_photo(key: str) -> None:
    """Remove one photo from this session."""
    photos = own_photos()
    for file in [file for file in photos if file.key == key]:
        photos.remove(file)
        forget_photo(file)


def forget_photo(file: PhotoFile) -> None:
    """Drop a photo from all caches; another session that shows the same one decodes it again."""
    with _decoded_lock:
        _decoded.pop(file.key, None)
    with _displayed_lock:
        _displayed.pop(file.key, None)
    for hide in (None, *get_args(Hide)):
        thumbnail.clear(file, hide)
    preview.clear(file)


def _add_photo(name: str, data: bytes) -> str:
    """Add a file unless it is there already, and return its key. Raises ImageError."""
    photos = own_photos()
    digest = hashlib.sha256(data).hexdigest()
    if digest in _sample_digests():
        return _sample_digests()[digest]
    if not _is_there(digest, photos):
        _check_room(data, photos)
        file = PhotoFile(digest, _shown_name(name), data, "your own photo")
        thumbnail(file, None)  # raises ImageError for a file that cannot be decoded
        file = replace(file, notice=decoded(file).notice)
        with _adding:  # a run of the page that this one replaced may have added files meanwhile
            if not _is_there(digest, photos):
                _check_room(data, photos)
                photos.append(file)
    return digest


def _shown_name(name: str) -> str:
    return short_name(name) or _NAMELESS


def _is_there(digest: str, photos: Iterable[PhotoFile]) -> bool:
    return any(known.key == digest for known in photos)


def _check_room(data: bytes, photos: Sequence[PhotoFile]) -> None:
    """Raise ImageError if a session with these photos may not keep another file."""
    if len(photos) == _MAX_PHOTOS:
        raise ImageError(f"You can keep up to {_MAX_PHOTOS} photos; remove one first.")
    if len(data) + sum(len(known.source) for known in photos if isinstance(known.source, bytes)) > _MAX_BYTES:
        raise ImageError(f"Your photos would exceed {_MAX_BYTES // 10**6} MB in total; remove one first.")


@cache
def _sample_digests() -> dict[str, str]:
    """Return the key of each sample by the SHA-256 of its file."""
    return {
        hashlib.sha256(sample.source.read_bytes()).hexdigest(): sample.key
        for sample in SAMPLES
        if isinstance(sample.source, Path)
    }
