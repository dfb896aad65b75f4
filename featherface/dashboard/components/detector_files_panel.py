"""Adding a detector that is not FeatherFace from a model file, and choosing among its files."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.typing import UploadedFile

from featherface.checkpoints import WeightsError, WeightsFile
from featherface.checkpoints.detector_files import DETECTOR_SUFFIX, MAX_DETECTOR_BYTES
from featherface.dashboard.components.model_pair import select_detector
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.server.streamlit_internals import discard_uploads
from featherface.dashboard.state.own_detectors import (
    add_detector,
    available_detectors,
    own_detectors,
    refused_files,
    remove_detector,
)
from featherface.models import OTHER_DETECTORS, detector_entry

__all__ = ["choose_detector_files", "show_detector_upload", "show_detectors_popover"]

_TURN, _REFUSED = "detector_turn", "refused_detector"  # in the session's state


def show_detectors_popover() -> None:
    """Show a button that opens `show_detector_upload`."""
    with st.popover("Other detectors", icon=":material/add_circle:"):
        show_detector_upload()


def show_detector_upload() -> None:
    """Take in a model file, and list those of this session with a button that removes each."""
    names = " or ".join(entry.name for entry in OTHER_DETECTORS.values())
    turn = st.session_state.setdefault(_TURN, 0)
    file = st.file_uploader(
        f"Add {names} (ONNX)",
        type=DETECTOR_SUFFIX,
        key=f"detector_{turn}",
        max_upload_size=MAX_DETECTOR_BYTES // 10**6,
        help="The file stays in memory for this session. It is checked, and tried in a process of its own, "
        "before it runs. Files in the folder `weights` are offered to everyone.",
    )
    if file is not None:
        _take(file)
    if refusal := st.session_state.get(_REFUSED):
        st.error(plain(refusal), icon=":material/error:")
    for reason in refused_files():
        st.caption(f":material/block: Cannot be used: {plain(reason)}")
    for key, weights in list(own_detectors().items()):
        st.button(
            f"Remove {plain(weights.path.name)}",
            key=f"remove_detector_{key}",
            icon=":material/delete:",
            help=f"{detector_entry(key).name}, {len(weights.content or b'') / 1e6:.1f} MB",
            on_click=remove_detector,
            args=(key,),
        )


def choose_detector_files(keys: Sequence[str]) -> dict[str, WeightsFile]:
    """Return a model file for each of `keys` that is not a model; ask which one where there are several."""
    available = available_detectors()
    chosen = {}
    for key in [key for key in keys if key in available]:
        names = {f"{file.path.name} ({file.sha256[:8]})": file for file in available[key]}
        name = next(iter(names))
        if len(names) > 1:
            label = f"{detector_entry(key).name} model file"
            name = st.selectbox(label, list(names), key=f"file_{key}", persist_state="session")
        chosen[key] = names[name]
    return chosen


def _take(file: UploadedFile) -> None:
    st.session_state[_REFUSED] = None
    try:
        with st.spinner("Trying the model file"):
            select_detector(add_detector(file.name, file.getvalue()))
    except WeightsError as error:
        st.session_state[_REFUSED] = str(error)
    discard_uploads([file])
    st.session_state[_TURN] += 1
    st.rerun()
