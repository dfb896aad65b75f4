"""Ground truth of a session's photos as files: downloads, and one that is read in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.server.streamlit_internals import discard_uploads
from featherface.dashboard.state.marked_faces import files_with_marks, mark, marked_photo
from featherface.dashboard.state.photos import SAMPLES, PhotoFile, display_photo, own_photos
from featherface.detection.boxes import clip_boxes
from featherface.detection.images import ImageError
from featherface.evaluation.ground_truth_files import (
    GroundTruthFileError,
    PhotoFaces,
    file_name_key,
    read_ground_truth_file,
    to_coco_json,
    to_wider_text,
)
from featherface.evaluation.marked_photo import Box, MarkedPhoto, as_array, as_boxes
from featherface.reporting.wording import photos_text

__all__ = ["show_ground_truth_files"]

_MAX_MEGABYTES = 8  # of an imported file; the annotations of all of WIDER FACE val take 2 MB
_NAMES_LISTED, _LONGEST_NAME = 3, 80  # in a message: names, and characters of each
_OUTCOME = "truth_import"  # key in the session of what became of an imported file


def show_ground_truth_files(file: PhotoFile) -> None:
    """Offer the ground truth as files and take one in, once a person opens the section."""
    section = st.expander(
        "Export and import ground truth",
        key="ground_truth_files",
        icon=":material/swap_vert:",
        on_change="rerun",
    )
    if section.open:
        with section:
            _show_files(file)


def _show_files(file: PhotoFile) -> None:
    st.caption(
        "Faces of this photo and of all other photos that you marked. A photo is found again by the name of "
        "its file, which no other photo may have. COCO JSON keeps whether all faces of a photo are marked; "
        "from WIDER FACE text, all of them count as marked. The Accuracy page evaluates a zip of photos with "
        "the WIDER FACE text."
    )
    with st.container(horizontal=True):
        for label, name, mime, form in (
            ("WIDER FACE text", "photos_bbx_gt.txt", "text/plain", to_wider_text),
            ("COCO JSON", "photos.coco.json", "application/json", to_coco_json),
        ):
            download_button(
                label,
                partial(_exported, file, form),
                name,
                mime,
                key=f"export_{name}",
                icon=":material/download:",
                disabled=not _marked_files(file),
            )
    turn = st.session_state.setdefault("truth_upload_turn", 0)
    key = f"truth_upload_{turn}"
    st.file_uploader(
        "Import WIDER FACE text or COCO JSON for the photos here",
        key=key,
        max_upload_size=_MAX_MEGABYTES,
        on_change=partial(_take, key),
    )
    kind, text = st.session_state.pop(_OUTCOME, ("", ""))
    if kind == "error":
        st.error(plain(text), icon=":material/error:")
    elif kind == "warning":
        st.warning(plain(text), icon=":material/warning:")
    elif text:
        st.success(plain(text), icon=":material/check:")


def _take(key: str) -> None:
    """Read an uploaded file and reset the uploader."""
    uploaded = st.session_state[key]
    if uploaded is not None:
        st.session_state[_OUTCOME] = _import(uploaded.getvalue(), uploaded.name)
        discard_uploads([uploaded])
        st.session_state["truth_upload_turn"] += 1


def _exported(file: PhotoFile, form: Callable[[Sequence[PhotoFaces]], str]) -> str:
    """Return the marked faces as a file of the given form. Raises ImageError."""
    found = []
    for one in _marked_files(file):
        shown = display_photo(one)
        marked = marked_photo(one.key)
        found.append(
            PhotoFaces(_file_name(one), shown.width, shown.height, marked.faces, complete=marked.complete)
        )
    return form(found)


def _marked_files(file: PhotoFile) -> list[PhotoFile]:
    """Return this photo, if anything is marked in it, and the others in which this session marked faces."""
    here = [file] if marked_photo(file.key) != MarkedPhoto() else []
    return here + [other for other in files_with_marks() if other.key != file.key]


def _import(data: bytes, name: str) -> tuple[str, str]:
    """Mark the faces that a file gives for the photos here.

    Returns "error", "warning" or "success", and what to say. A name that several photos or several images of
    the file have does not tell which faces belong to which photo, so that nothing is marked there.
    """
    files = [*SAMPLES, *own_photos()]
    names = Counter(file_name_key(_file_name(file)) for file in files)
    try:
        found = read_ground_truth_file(data, name)
        known = {key: file for file in files if names[key := file_name_key(_file_name(file))] == 1}
        here = found.images.keys() & known.keys()
        for key in here:
            given = found.images[key]
            mark(known[key].key, replace(given, faces=_inside(given.faces, known[key])))
    except (GroundTruthFileError, ImageError) as error:
        return "error", str(error)
    unclear = sorted((found.images.keys() - here | found.repeated) & names.keys())
    marked = _marked_text([found.images[key] for key in here], len(found.images.keys() - names.keys()))
    if unclear:
        return "warning" if here else "error", f"{marked}{_unclear_text(unclear)}"
    if here:
        return "success", marked.strip()
    count = len(found.images) + len(found.repeated)
    return "error", f"None of the {count:,} images in this file is among the photos here."


def _marked_text(marked: Sequence[MarkedPhoto], absent: int) -> str:
    """Return what was marked, for a text that may go on; empty if nothing was."""
    if not marked:
        return ""
    photos = photos_text(len(marked))
    rest = f"; {absent:,} more in the file are not here" if absent else ""
    whole = sum(photo.complete for photo in marked)
    if not whole:
        return f"Faces of {photos} were marked{rest}. "
    where = "There" if whole == len(marked) else f"In {whole:,} of them"
    return (
        f"Faces of {photos} were marked{rest}. {where}, all faces count as marked, so that every other "
        "detection is a false positive. "
    )


def _unclear_text(names: Sequence[str]) -> str:
    listed = ", ".join(name[:_LONGEST_NAME] for name in names[:_NAMES_LISTED])
    more = f" and {len(names) - _NAMES_LISTED:,} more" if len(names) > _NAMES_LISTED else ""
    return (
        f"Not marked: {listed}{more}, as several photos here or in the file have the same name; rename them "
        "here and in the file."
    )


def _inside(boxes: Sequence[Box], file: PhotoFile) -> tuple[Box, ...]:
    """Return the boxes cut at the edges of the photo, without those outside. Raises ImageError."""
    shown = display_photo(file)
    clipped = clip_boxes(as_array(boxes), shown.width, shown.height)
    return as_boxes(clipped[(clipped[:, 2:] > clipped[:, :2]).all(axis=1)])


def _file_name(file: PhotoFile) -> str:
    return file.name if isinstance(file.source, bytes) else file.source.name
