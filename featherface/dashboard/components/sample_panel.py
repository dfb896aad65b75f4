"""A bundled photo with the faces that each model finds on it."""

from __future__ import annotations

import streamlit as st

from featherface.checkpoints import WeightsError
from featherface.config import DEFAULT_CONFIDENCE, DEFAULT_INPUT_SIZE
from featherface.dashboard.components.frame_handover import DETECTION_PAGE
from featherface.dashboard.components.widgets import plain
from featherface.dashboard.state.photos import PhotoFile
from featherface.dashboard.state.sample_comparison import annotated_photo, untrained_models
from featherface.detection.images import ImageError
from featherface.models import MODELS
from featherface.reporting.wording import faces_text
from featherface.serving.network_queue import ServiceBusyError

__all__ = ["show_sample"]


def show_sample(sample: PhotoFile) -> None:
    """Show the photo once per model with trained weights, and a link to the Detection page."""
    for sentence in untrained_models():
        st.info(sentence, icon=":material/model_training:")
    try:
        photo = annotated_photo(sample)
    except ServiceBusyError as error:
        st.info(str(error), icon=":material/hourglass:")
        return
    except (ImageError, WeightsError) as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    for key, jpeg in photo.images.items():
        name, faces = MODELS[key].name, faces_text(photo.faces[key])
        st.image(jpeg, caption=f"{name}: {faces}", alt=f"{photo.name}, {photo.about}; {name} found {faces}")
    agreement = "" if photo.both is None else f"Found by both models: {faces_text(photo.both)}. "
    st.caption(
        f"{agreement}One run per model, longer side {DEFAULT_INPUT_SIZE} pixels, confidence threshold "
        f"{DEFAULT_CONFIDENCE}. The Detection page also runs a photo with small faces at its original "
        "size, so its results can differ."
    )
    st.page_link(DETECTION_PAGE, label="Try your own photos", icon=":material/frame_person:")
