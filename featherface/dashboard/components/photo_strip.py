"""The row of photos at the top of a page, and the ways to add some."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.typing import UploadedFile

from featherface.config import MAX_BYTES
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.server.streamlit_internals import discard_uploads, is_history_navigation
from featherface.dashboard.state.page_visit import has_just_opened
from featherface.dashboard.state.photo_regions import close_regions
from featherface.dashboard.state.photos import (
    SAMPLES,
    PhotoFile,
    add_photos,
    own_photos,
    remove_photo,
    thumbnail,
)
from featherface.dashboard.state.sample_comparison import forget_annotated
from featherface.detection.drawing import Hide
from featherface.detection.images import ImageError

__all__ = ["choose_batch", "choose_photo", "select_photo"]

_TILE = 152  # pixels; wide enough for the names of the samples


def choose_photo(*, tiles: bool = True, hide: Hide | None = None) -> PhotoFile:
    """Show the sample photos and the session's own photos and return the chosen one.

    tiles: without them one can only add photos, and the choice stays as it is. hide: make the thumbnails
    unrecognisable.

    The name of a sample is part of the page's address, so that a link shows it again; a person's own
    photo never is.
    """
    strip, adding = st.columns([3, 1], gap="medium")
    with adding:
        _upload()
    _tell_samples(st.session_state.pop("uploaded_samples", ()))
    files = [*own_photos(), *SAMPLES]
    chosen = _chosen(files)
    if not tiles:
        with strip:
            st.caption("Your own photos, all with the same settings; the samples until you add some.")
            _show_refusals(st.session_state.get("refused_photos", ()))
        return chosen
    with strip, st.container(horizontal=True, wrap=False, gap="small"):
        for file in files:
            _tile(file, hide, chosen=file is chosen)
    with strip:
        _show_refusals(st.session_state.get("refused_photos", ()))
        if chosen.notice:
            st.warning(plain(chosen.notice), icon=":material/warning:")
        if chosen.credit:
            st.caption(f"Photo: {plain(chosen.credit)}")
        if chosen in own_photos():
            st.button(
                f"Remove {plain(chosen.name)}",
                icon=":material/delete:",
                type="tertiary",
                on_click=_remove,
                args=(chosen.key,),
            )
    return chosen


def choose_batch() -> list[PhotoFile]:
    """Return the session's own photos, with the samples on request; the samples where there are no others."""
    own = own_photos()
    if not own:
        return list(SAMPLES)
    samples = st.toggle("Include the sample photos", key="samples", bind="query-params")
    return [*own, *(SAMPLES if samples else ())]


def _show_refusals(refusals: Sequence[tuple[str, str]]) -> None:
    """Show a line that says how many files were not added, and opens to name each with the reason."""
    if not refusals:
        return
    label = "1 file was not added" if len(refusals) == 1 else f"{len(refusals)} files were not added"
    with st.expander(label, expanded=len(refusals) == 1, icon=":material/error:"):
        st.markdown("\n".join(f"- **{plain(name)}**: {plain(reason)}" for name, reason in refusals))


def _tell_samples(uploaded: Sequence[tuple[str, str]]) -> None:
    """Say which uploaded files are samples: without it, the upload would look as if it had failed."""
    if uploaded:
        sentences = [f"{plain(name)} is the sample photo {plain(sample)}." for name, sample in uploaded]
        st.toast("\n\n".join(sentences), icon=":material/info:", duration="long")


def _remove(key: str) -> None:
    remove_photo(key)
    close_regions(key)
    forget_annotated()  # a report may hold the annotated photo


def _chosen(files: Sequence[PhotoFile]) -> PhotoFile:
    """Return the photo that was clicked, else the one chosen before, else the one in the address.

    The address wins in a link, and after Back or Forward. In other runs it may be older than the latest
    choice: the browser sends it along when a person acts before the new address has arrived.
    """
    address = st.query_params.get("photo", "")
    asked = next((file for file in files if _address(file) == address), None)
    remembered = next((file for file in files if file.key == st.session_state.get("photo")), None)
    if st.session_state.pop("photo_clicked", False):
        chosen = remembered
    elif is_history_navigation() or "photo" not in st.session_state:
        chosen = asked
    elif has_just_opened() and address:  # a link between pages leaves the photo out
        chosen = asked or remembered
    else:
        chosen = remembered
    chosen = chosen or SAMPLES[0]
    _write_address(chosen, address)
    return chosen


def _write_address(chosen: PhotoFile, present: str) -> None:
    st.session_state["photo"], address = chosen.key, _address(chosen)
    if address == present:
        return
    if address:
        st.query_params["photo"] = address
    else:
        st.query_params.pop("photo", None)


def _address(file: PhotoFile) -> str:
    """Return what stands for the photo in the page's address: nothing for the first sample.

    A person's own photos are numbered, so that Back and Forward find them; in other sessions the numbers mean
    nothing.
    """
    if file in SAMPLES:
        return "" if file is SAMPLES[0] else file.key
    numbers = st.session_state.setdefault("own_photo_numbers", {})
    return f"own-{numbers.setdefault(file.key, len(numbers) + 1)}"


def _tile(file: PhotoFile, hide: Hide | None, *, chosen: bool) -> None:
    with st.container(width=_TILE, gap="xsmall"):
        try:
            st.image(thumbnail(file, hide), width=_TILE, alt=f"Thumbnail of {file.name}: {file.about}")
        except ImageError as error:  # dropped from every cache, and it cannot be decoded now
            st.caption(plain(str(error)))
        st.button(
            plain(file.name),
            key=f"show_{file.key}",
            help=plain(file.name),
            icon=":material/check:" if chosen else None,
            width="stretch",
            wrap=False,
            on_click=select_photo,
            args=(file.key,),
        )


def select_photo(key: str) -> None:
    """Show the photo `key` from the next run on."""
    st.session_state["photo"] = key
    st.session_state["photo_clicked"] = True  # wins over the address


def _upload() -> None:
    """Take in uploaded and captured photos, then reset the uploader."""
    turn = st.session_state.setdefault("upload_turn", 0)
    files = st.file_uploader(
        "Upload photos",
        type=None,  # odd or missing extensions too: the content decides
        accept_multiple_files=True,
        key=f"upload_{turn}",
        max_upload_size=MAX_BYTES // 10**6,
        label_visibility="collapsed",
    )
    camera = st.popover("Camera", icon=":material/photo_camera:", key="camera", on_change="rerun")
    if camera.open:
        with camera:
            shot = st.camera_input("Take a photo", key=f"camera_{turn}", resolution="1080p")
            files = [shot] if shot else files
    if files:
        _take(files)


def _take(files: Sequence[UploadedFile]) -> None:
    with st.spinner("Reading photos"):
        upload = add_photos(files)
        discard_uploads(files)
    st.session_state["refused_photos"] = upload.refusals
    st.session_state["uploaded_samples"] = upload.samples
    if upload.chosen is not None:
        select_photo(upload.chosen)
    st.session_state["upload_turn"] += 1
    st.rerun()
