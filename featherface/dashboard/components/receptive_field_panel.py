"""Anchors and receptive fields of one cell, drawn on a photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from featherface.config import ANCHOR_SIZES, DEFAULT_INPUT_SIZE, STRIDES
from featherface.dashboard.components.photo_strip import choose_photo
from featherface.dashboard.components.widgets import origin_badge, plain, required_choice, show_chart
from featherface.dashboard.state.photos import DisplayPhoto, PhotoFile, display_photo
from featherface.detection.images import ImageError
from featherface.models import MODELS
from featherface.profiling.receptive_field import ReceptiveField, receptive_fields
from featherface.reporting.figures.networks import Square, photo_squares
from featherface.reporting.figures.style import BOTH_COLOUR
from featherface.reporting.tables import field_table
from featherface.study.provenance import Badge

__all__ = ["show_receptive_fields"]

_LEVELS = tuple(f"P{number}" for number in range(3, 3 + len(STRIDES)))
_SQUARES = _ANCHORS, _BACKBONE, _HEADS = "Anchors", "Backbone receptive field", "Head receptive field"
_BACKBONE_DASHES = "dot", "dashdot", "longdash"


def show_receptive_fields() -> None:
    """Show what a cell detects and what it can see, on the chosen photo."""
    st.caption(
        "A cell detects faces of about the size of its two anchors. Its receptive field is the part of the "
        "photo that can influence it; if it is hardly larger than the face, context is lost."
    )
    file = choose_photo()
    try:
        shown = display_photo(file)
    except ImageError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    with st.spinner("Measuring the receptive fields"):
        fields = {key: receptive_fields(key) for key in MODELS}
    _show_cell(file, shown, fields)
    st.dataframe(
        field_table(fields), hide_index=True, alt="Anchors and receptive fields per model and pyramid level"
    )
    st.caption(
        "Side lengths in pixels of the network input. Channel attention also gives every cell a summary of "
        "the whole image, which is not included. Deformable convolutions can reach beyond their regular "
        "grid, so networks that use them show lower bounds."
    )


@st.fragment
def _show_cell(file: PhotoFile, shown: DisplayPhoto, fields: Mapping[str, Sequence[ReceptiveField]]) -> None:
    """Show one cell's anchors and receptive fields on the photo."""
    controls, view = st.columns([1, 3], gap="medium")
    with controls:
        level = required_choice("Pyramid level", _LEVELS, _LEVELS[1], "level")
        wanted = st.pills(
            "Show",
            _SQUARES,
            selection_mode="multi",
            default=_SQUARES[:2],
            key="fields",
            wrap=True,
            bind="query-params",
            help="The head receptive field exceeds most inputs; the view zooms out to show it.",
        )
        longer = st.slider(
            "Input size: longer side (px)",
            320,
            1280,
            DEFAULT_INPUT_SIZE,
            64,
            key="field_input_size",
            bind="query-params",
        )
        across = st.slider("Cell position from the left (%)", 0, 100, 50, key="across", bind="query-params")
        down = st.slider("Cell position from the top (%)", 0, 100, 40, key="down", bind="query-params")
        origin_badge(
            Badge.COUNTED,
            "Determined on the networks: input pixels are set to NaN; the receptive field is the span of "
            "pixels that turns the cell's output into NaN.",
        )
    number = _LEVELS.index(level)
    scale = longer / max(shown.width, shown.height)
    size = round(scale * shown.width), round(scale * shown.height)
    centre = (
        _cell_centre(across, size[0], STRIDES[number]),
        _cell_centre(down, size[1], STRIDES[number]),
    )
    with view:
        show_chart(
            photo_squares(shown.jpeg, size, centre, _squares(number, wanted, fields)),
            name="receptive_field",
            alt=f"{file.name}, {file.about}, with the anchors and receptive fields of one cell of {level}",
            data=field_table(fields),
        )


def _cell_centre(percent: int, pixels: int, stride: int) -> float:
    """Return the centre, in pixels, of the cell `percent` of the way along an axis of `pixels` pixels."""
    cells = -(-pixels // stride)
    return (min(percent * cells // 100, cells - 1) + 0.5) * stride


def _squares(
    number: int, wanted: Sequence[str], fields: Mapping[str, Sequence[ReceptiveField]]
) -> list[Square]:
    """Return the squares to draw for the level at index `number`."""
    small, large = ANCHOR_SIZES[number]
    found = [
        (_ANCHORS, Square("Small anchor", small, BOTH_COLOUR)),
        (_ANCHORS, Square("Large anchor", large, BOTH_COLOUR, "dash")),
        *((_BACKBONE, square) for square in _backbone_squares(number, fields)),
    ]
    found += [
        (_HEADS, Square(f"Heads, {MODELS[key].short_name}", levels[number].pixels, MODELS[key].colour))
        for key, levels in fields.items()
    ]
    return [square for kind, square in found if kind in wanted]


def _backbone_squares(number: int, fields: Mapping[str, Sequence[ReceptiveField]]) -> list[Square]:
    """Return one square per size of backbone field; models with the same size share it."""
    models: dict[int, list[str]] = {}
    for key, levels in fields.items():
        models.setdefault(levels[number].backbone, []).append(MODELS[key].short_name)
    return [
        Square(f"Backbone, {' and '.join(names)}", pixels, "#64748b", dash)
        for (pixels, names), dash in zip(models.items(), _BACKBONE_DASHES, strict=False)
    ]
