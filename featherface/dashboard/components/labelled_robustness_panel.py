"""The Robustness page's measured sections: corruption of labelled images, and attributes of faces."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from featherface.dashboard.components.slice_table import (
    attributes_commands,
    estimate_text,
    show_slice_table,
)
from featherface.dashboard.components.widgets import badge_line, plain, show_chart
from featherface.dashboard.state.study_measurements import (
    slices_of_shipped_weights,
    stress_of_shipped_weights,
)
from featherface.models import MODELS
from featherface.reporting.figures.robustness_figures import corruption_bars
from featherface.reporting.wording import images_text, when_text
from featherface.robustness.attribute_slices import INVALID
from featherface.robustness.corruptions import CORRUPTIONS
from featherface.robustness.labelled_stress import MEAN
from featherface.robustness.robustness_results import SavedSlices, SavedStress
from featherface.study.provenance import Badge

__all__ = ["show_attributes", "show_labelled_stress"]

_STRESS_COMMAND = """\
python -m featherface stress --images WIDER_val/images --ground-truth eval_tools/ground_truth \\
    --predictions stress.jsonl --out weights/evaluation/robustness/wider_val.json"""
_ATTRIBUTES_OPTIONS = (
    "--ground-truth eval_tools/ground_truth --out weights/evaluation/attributes/wider_val.json"
)


def show_labelled_stress() -> None:
    """Show mPC and rPC of the current weights, or how to measure them."""
    st.markdown(
        "Average precision (AP) on corrupted images with annotated faces. **mPC** is the mean AP over the "
        "corruptions and severities named below each table; **rPC** is mPC divided by the AP on clean images "
        "([Michaelis et al. 2019](https://arxiv.org/abs/1907.07484))."
    )
    results = stress_of_shipped_weights()
    if results:
        most_corruptions_first = sorted(results, key=lambda saved: -len(saved.robustness.corruptions))
        sets = dict.fromkeys(saved.image_set for saved in most_corruptions_first)
        for number, name in enumerate(sets, 1):
            chart = f"robustness_by_corruption_{number}"
            _show_stress([saved for saved in results if saved.image_set == name], chart)
    else:
        st.info("No result for the current weights yet. This command measures it:", icon=":material/pending:")
    st.code(_STRESS_COMMAND, language="bash", wrap_lines=True)


def _show_stress(results: Sequence[SavedStress], chart: str) -> None:
    first = results[0]
    st.subheader(plain(f"{_covered(first)}, {images_text(first.robustness.images)}"))
    badge_line(Badge.MEASURED, plain(_origin(first, first.robustness.images)))
    st.table(
        pd.DataFrame(
            {
                "Model": MODELS[saved.model].name,
                "Clean AP": estimate_text(saved.robustness.clean[MEAN]),
                "mPC": estimate_text(saved.robustness.mpc[MEAN]),
                "rPC": estimate_text(saved.robustness.rpc[MEAN]),
            }
            for saved in results
        ),
        border="horizontal",
        hide_index=True,
        alt=f"{_covered(first)}: average precision on clean images, mPC and rPC per model",
    )
    st.caption(
        f"{_coverage(first)} Means of the subsets easy, medium and hard, with 95% confidence intervals "
        "(bootstrap over images)."
    )
    scores = {saved.model: _by_corruption(saved) for saved in results}
    summary = "; ".join(
        f"{MODELS[key].name}: " + ", ".join(f"{name} {score:.3f}" for name, score in part.items())
        for key, part in scores.items()
    )
    show_chart(
        corruption_bars(scores),
        name=chart,
        alt=f"{_covered(first)}: mean average precision per corruption. {summary}",
        data=pd.DataFrame({MODELS[key].name: part for key, part in scores.items()})
        .rename_axis("Corruption")
        .reset_index(),
    )


def _coverage(saved: SavedStress) -> str:
    """Say which corruptions and severities mPC covers."""
    conditions = saved.robustness.by_condition
    numbers = sorted({one.severity for one in conditions if one.corruption in CORRUPTIONS})
    severities = ", ".join(map(str, numbers))
    measured = _measured(saved)
    if len(measured) == len(CORRUPTIONS):
        return f"mPC covers all {len(CORRUPTIONS)} corruptions, severities {severities}."
    names = ", ".join(CORRUPTIONS[key].name.lower() for key in measured)
    return f"mPC covers {len(measured)} of {len(CORRUPTIONS)} corruptions ({names}), severities {severities}."


def _covered(saved: SavedStress) -> str:
    """Return the corruptions that mPC covers, as a title."""
    measured = _measured(saved)
    if len(measured) == len(CORRUPTIONS):
        return f"All {len(measured)} corruptions"
    return ", ".join(CORRUPTIONS[key].name for key in measured)


def _measured(saved: SavedStress) -> list[str]:
    """Return the keys of the corruptions that were measured."""
    conditions = saved.robustness.by_condition
    return list(dict.fromkeys(one.corruption for one in conditions if one.corruption in CORRUPTIONS))


def _by_corruption(saved: SavedStress) -> dict[str, float]:
    """Return the clean score, then the mean over severities of each corruption, by its name."""
    scores: dict[str, list[float]] = {}
    for condition, by_subset in saved.robustness.by_condition.items():
        corruption = CORRUPTIONS.get(condition.corruption)
        scores.setdefault(corruption.name if corruption else "Clean", []).append(by_subset[MEAN])
    return {name: sum(values) / len(values) for name, values in scores.items()}


def show_attributes() -> None:
    """Show AP and recall per attribute and face height, or how to measure them."""
    st.markdown(
        "Blurred faces are mostly small, and small faces are missed for their size. So each value of an "
        "attribute is scored within bands of face height. False positives are shared by all values, so rare "
        "values have a lower AP: compare the models within a row, and values by recall."
    )
    results = slices_of_shipped_weights()
    if results:
        _show_slices(results)
    else:
        st.info(
            "No result for the current weights yet. These commands measure it:", icon=":material/pending:"
        )
    commands = attributes_commands("--images WIDER_val/images", _ATTRIBUTES_OPTIONS)
    st.code(commands, language="bash", wrap_lines=True)


def _show_slices(results: Sequence[SavedSlices]) -> None:
    first = results[0]
    names = list(dict.fromkeys(one.attribute for one in first.slices))
    badge_line(Badge.MEASURED, plain(_origin(first, first.images)))
    chosen = st.segmented_control(
        "Attribute", names, default=names[0], required=True, key="attribute", bind="query-params"
    )
    name = chosen or names[0]  # an address can leave it empty
    if name == INVALID:
        st.caption(
            "Invalid is WIDER FACE's own flag for boxes that are not to be scored: they count in none of the "
            "subsets easy, medium and hard. Only this table scores them."
        )
    show_slice_table(results, name)


def _origin(saved: SavedStress | SavedSlices, images: int) -> str:
    selected = "; the checkpoints were also selected on these images" if saved.used_for_selection else ""
    return f"{saved.image_set}, {images_text(images)}, {when_text(saved.date)}{selected}"
