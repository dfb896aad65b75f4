"""Close-ups and images without faces: what the models find, and what they report where no face is."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from featherface.config import weights_folder
from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.components.widgets import badge_line, plain
from featherface.detection.preprocess import Resize
from featherface.evaluation.hard_case_results import HardCases, SavedHardCases
from featherface.evaluation.no_face_set import FalsePositives
from featherface.models import MODELS
from featherface.study.provenance import Badge

__all__ = ["show_hard_cases"]

_INPUTS = {
    Resize.ORIGINAL: "Original size",
    Resize.FIT: "Longer side 640 px",
    Resize.STUDY: "Stretched to 640 × 640 px",
}
_COMMAND = """\
python -m benchmarks.hard_cases --manifest dev.jsonl --source fddb_small --no-faces FOLDER \\
    --json weights/evaluation/hard_cases/hard_cases.json"""


def show_hard_cases(results: Sequence[SavedHardCases]) -> None:
    """Show one table per input size with a column per model, or how to measure them."""
    if not results:
        st.info("No result for the current weights yet. This command measures it:", icon=":material/pending:")
        st.code(_COMMAND, language="bash", wrap_lines=True)
        return
    weights = ", ".join(f"{MODELS[saved.model].short_name} {saved.weights_sha256[:12]}" for saved in results)
    threshold = f"{results[0].confidence:.2f}"
    badge_line(
        Badge.MEASURED,
        plain(
            f"python -m benchmarks.hard_cases, confidence {threshold}, one run per image, weights {weights}"
        ),
    )
    for mode, name in _INPUTS.items():
        columns = {
            MODELS[saved.model].short_name: _measures(saved.by_resize[mode])
            for saved in results
            if mode in saved.by_resize
        }
        if columns:
            st.table(
                pd.DataFrame(columns).rename_axis(name).reset_index(),
                border="horizontal",
                hide_index=True,
                alt=f"{name}: close-ups found and false positives per image without faces, per model",
            )
    st.caption(
        "Close-ups: portraits cropped to the face; other boxes are false positives on them. Photos without "
        "faces: surfaces, objects, an animal, text and microscopy. Generated textures, counted in a row of "
        "their own: noise, cells, stripes, blobs, grids and lines. On the Detection page, “Several sizes” "
        "runs close-ups at half the size too."
    )
    card = weights_folder() / "MODEL_CARD.md"
    if card.is_file():
        download_button(
            "Model card, with the origin of the images",
            card.read_bytes,
            card.name,
            "text/markdown",
            key="model_card",
            icon=":material/download:",
        )


def _measures(cases: HardCases) -> dict[str, str]:
    return {
        "Close-ups found": f"{cases.found} of {cases.close_ups}",
        "Other boxes on close-ups": f"{cases.other_boxes}",
        "False positives per photo without faces": _rate(cases.photos),
        "False positives per generated texture": _rate(cases.textures),
    }


def _rate(counted: FalsePositives) -> str:
    """Return the rate and on how many images the false positives are."""
    spread = f"on {counted.images_with_detections} of {counted.images}"
    return f"{counted.per_image:.2f}  \n:small[:gray[{spread}]]"
