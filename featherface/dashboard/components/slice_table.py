"""The table of average precision and recall by group of faces and face height."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from featherface.models import MODELS
from featherface.robustness.attribute_slices import Slice
from featherface.robustness.labelled_stress import Estimate
from featherface.robustness.robustness_results import SavedSlices

__all__ = ["attributes_commands", "estimate_text", "show_slice_table", "slice_table"]


def attributes_commands(images: str, rest: str) -> str:
    """Return the commands that detect the faces of `images` with all models and score them by attribute.

    images, rest: options of `featherface evaluate`, and further ones of `featherface attributes`.
    """
    predictions = " ".join(f"--predictions found-{key}.jsonl" for key in MODELS)
    return (
        f"python -m featherface evaluate {images} --predictions found.jsonl\n"
        f"python -m featherface attributes {predictions} \\\n    {rest}"
    )


def show_slice_table(results: Sequence[SavedSlices], attribute: str) -> None:
    """Show the scores of each model by value of the attribute and face height."""
    st.dataframe(
        slice_table(results, attribute),
        hide_index=True,
        height="content",
        alt=f"Average precision and recall by {attribute} and face height, per model",
    )
    st.caption(
        f"Recall at confidence {results[0].confidence:.2f}. In brackets: 95% confidence interval, bootstrap "
        "over images."
    )


def slice_table(results: Sequence[SavedSlices], attribute: str) -> pd.DataFrame:
    """Return one row per value and band, with the scores of each model or why there are none."""
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for saved in results:
        name = MODELS[saved.model].short_name
        for one in saved.slices:
            if one.attribute != attribute:
                continue
            row = rows.setdefault(
                (one.value, one.band), {"Value": one.value, "Face height": one.band, "Faces": one.faces}
            )
            row[f"{name} AP"] = _score(one, one.average_precision)
            row[f"{name} recall"] = _score(one, one.recall)
    return pd.DataFrame(rows.values())


def _score(one: Slice, estimate: Estimate | None) -> str:
    return one.suppressed if estimate is None else estimate_text(estimate)


def estimate_text(estimate: Estimate) -> str:
    """Return the value and, in brackets, its confidence interval."""
    if estimate.interval is None:
        return f"{estimate.value:.3f}"
    low, high = estimate.interval
    return f"{estimate.value:.3f} ({low:.3f}–{high:.3f})"
