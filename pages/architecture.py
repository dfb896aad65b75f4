"""Architecture: what the two networks are made of, counted on the networks themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from featherface.config import ANCHOR_SIZES, DEFAULT_SIDE, STRIDES
from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.input_size import choose_input_size, size_words
from featherface.dashboard.components.photo_strip import choose_photo
from featherface.dashboard.components.widgets import origin_badge, plain, required_choice, show_chart
from featherface.dashboard.state.photos import PhotoFile, Picture, data_uri, picture
from featherface.detection.images import ImageError
from featherface.models import MODELS
from featherface.profiling.graph import network_graph
from featherface.profiling.layers import InputSizeError, align, layer_table
from featherface.profiling.machine import Badge
from featherface.profiling.parameters import parameter_tree, reductions
from featherface.profiling.receptive_field import ReceptiveField, receptive_fields
from featherface.reporting.figures.costs import model_bars
from featherface.reporting.figures.networks import Square, network_diagram, parameter_map, photo_squares
from featherface.reporting.figures.style import BOTH_COLOUR
from featherface.reporting.tables import (
    field_table,
    level_table,
    parameter_group_table,
    parameter_table,
    side_by_side,
    station_table,
)

LEVELS = tuple(f"P{number}" for number in range(3, 3 + len(STRIDES)))
SQUARES = ANCHORS, BACKBONE, HEADS = "Anchors", "Backbone's field", "Heads' field"


def show_parameters() -> None:
    """Show where the parameters are, by group and down to the last tensor."""
    rows = reductions()
    groups, whole = rows[:-1], rows[-1]
    with st.grid(3):
        st.metric("FeatherFace V1", f"{whole.first:,} parameters", border=True)
        st.metric("FeatherFace V2", f"{whole.second:,} parameters", border=True)
        st.metric("V2 saves", f"{whole.reduction:.1%}", border=True)
    origin_badge(
        Badge.COUNTED, "Summed over the networks that this program runs; a shared tensor counts once."
    )
    chart, numbers = st.columns([3, 2], gap="large")
    table = parameter_group_table(rows)
    with chart:
        st.subheader("By group")
        st.caption("How many learned numbers each part has; the backbone is the same in both.")
        show_chart(
            model_bars(
                [row.group for row in groups],
                {"v1": [row.first for row in groups], "v2": [row.second for row in groups]},
                "Parameters",
            ),
            name="parameters_by_group",
            alt="Parameters of V1 and V2 by group: "
            + ", ".join(f"{row.group} {row.first:,} and {row.second:,}" for row in groups),
            data=table,
        )
    with numbers:
        st.subheader("Reduction")
        st.caption("The share of V1's parameters that V2 does without.")
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                "V1 parameters": st.column_config.NumberColumn(format="localized"),
                "V2 parameters": st.column_config.NumberColumn(format="localized"),
                "Reduction, %": st.column_config.NumberColumn(format="%.1f"),
            },
            alt="Parameters of V1 and V2 by group with the reduction in per cent",
        )
    show_parameter_maps()


@st.fragment
def show_parameter_maps() -> None:
    """Show the tree of parameters of each model."""
    st.subheader("Down to the last tensor")
    st.caption(
        "An area is as large as its share of the parameters. Click a part to open it, the top to go back."
    )
    kind = required_choice(
        "Form",
        ["treemap", "sunburst"],
        "treemap",
        "map",
        format_func=str.capitalize,
        label_visibility="collapsed",
    )
    for column, (key, entry) in zip(st.columns(len(MODELS), gap="medium"), MODELS.items(), strict=True):
        nodes = parameter_tree(key)
        with column:
            show_chart(
                parameter_map(nodes, entry.name, kind),
                name=f"parameters_{key}",
                alt=f"{nodes[0].parameters:,} parameters of {entry.name}, nested by group, module and tensor",
                data=parameter_table(nodes),
            )


@st.cache_data(max_entries=32, show_spinner="Counting the layers")
def layers_side_by_side(height: int, width: int) -> pd.DataFrame:
    """Return the layers of V1 and V2 in one table."""
    return side_by_side(align(layer_table("v1", height, width), layer_table("v2", height, width)))


@st.fragment
def show_layers(height: int, width: int) -> None:
    """Show the layers of both models, those with the same part in one row."""
    table = layers_side_by_side(height, width)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input(
            "Search", type="search", live=True, key="layer", width=320, bind="query-params"
        )
        differing = st.toggle("Only what differs", key="differing", bind="query-params")
    shown = table[table["Differs"]] if differing else table
    if wanted:
        text = shown.select_dtypes(exclude="number").fillna("").astype(str).agg(" ".join, axis=1)
        shown = shown[text.str.contains(wanted.strip(), case=False, regex=False)]
    shown = shown.drop(columns="Differs")
    st.caption(
        f"{len(shown)} of {len(table)} parts at {size_words(height, width)}. Output: pictures × channels × "
        "height × width. A row holds the layers that do the same job; an empty half means that the other "
        "model alone has it. A MAC is one multiplication with its addition, for one picture."
    )
    numbers = [name for name in shown if name.endswith(("parameters", "MACs"))]
    shares = [name for name in shown if name.endswith("%")]
    st.dataframe(
        shown,
        hide_index=True,
        height=560,
        column_config={
            "Part": st.column_config.TextColumn(pinned=True, width="medium"),
            **{name: st.column_config.NumberColumn(format="localized") for name in numbers},
            **{name: st.column_config.NumberColumn(format="%.2f") for name in shares},
        },
        alt="Layers of V1 and V2 with kind, output shape, parameters and MACs",
    )
    csv_button("Layers (CSV)", lambda: shown, f"layers_{width}x{height}")


def show_diagram(height: int, width: int) -> None:
    """Show both networks as boxes and lines, and the shapes between them."""
    graphs = {key: network_graph(key, height, width) for key in MODELS}
    st.caption(
        "Traced through the running network, from the picture at the top to the faces at the bottom. Each "
        "column is a level: a coarser one sees larger faces. Point at a box for its shape and cost."
    )
    for column, (key, graph) in zip(st.columns(len(graphs), gap="medium"), graphs.items(), strict=True):
        with column:
            st.subheader(MODELS[key].name)
            parts = len(graph.stations) - 2  # without the picture and the output
            show_chart(
                network_diagram(graph),
                name=f"diagram_{key}",
                alt=f"{MODELS[key].name}: {parts} parts from picture to outputs on three levels of strides "
                "8, 16 and 32",
                data=station_table(graph),
            )
    st.subheader("Shapes")
    st.caption(
        f"Cells and channels of the maps that the heads read at {size_words(height, width)}; each cell tries "
        "two anchors, squares from which the box of a face is found."
    )
    st.dataframe(
        level_table(graphs, height, width),
        hide_index=True,
        column_config={"Anchors": st.column_config.NumberColumn(format="localized")},
        alt="Stride, cells, anchors and channels of each level",
    )


def show_fields() -> None:
    """Show what a cell looks for and what it can see, on a photo."""
    st.caption(
        "A cell of a level looks for faces about the size of its two anchors. Its receptive field is the "
        "part of the photo that can influence it: with too little around a face, context is lost."
    )
    file = choose_photo()
    try:
        shown = picture(file)
    except ImageError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    with st.spinner("Finding the receptive fields on the networks"):
        fields = {key: receptive_fields(key) for key in MODELS}
    show_cell(file, shown, fields)
    st.dataframe(
        field_table(fields), hide_index=True, alt="Anchors and receptive fields of each level and model"
    )
    st.caption(
        "Sides of squares in pixels of the network's input. Beyond its field every cell also knows a little "
        "of the whole picture, through the attention's channel gates. V1's deformable convolutions can reach "
        "further than their starting grid, so its figures are lower bounds."
    )


@st.fragment
def show_cell(file: PhotoFile, shown: Picture, fields: Mapping[str, Sequence[ReceptiveField]]) -> None:
    """Show one cell's anchors and receptive fields on the photo."""
    controls, view = st.columns([1, 3], gap="medium")
    with controls:
        level = required_choice("Level", LEVELS, LEVELS[1], "level")
        wanted = st.pills(
            "Show",
            SQUARES,
            selection_mode="multi",
            default=SQUARES[:2],
            key="fields",
            wrap=True,
            bind="query-params",
            help="The heads' field is larger than most inputs, so the view widens to hold it.",
        )
        side = st.slider(
            "Longer side, pixels", 320, 1280, DEFAULT_SIDE, 64, key="field_side", bind="query-params"
        )
        across = st.slider("Cell from the left, %", 0, 100, 50, key="across", bind="query-params")
        down = st.slider("Cell from the top, %", 0, 100, 40, key="down", bind="query-params")
        origin_badge(
            Badge.COUNTED,
            "Found on the networks: pixels are made invalid, and a field is the span that spoils the cell.",
        )
    number = LEVELS.index(level)
    scale = side / max(shown.width, shown.height)
    size = round(scale * shown.width), round(scale * shown.height)
    centre = tuple(
        cell_centre(share, pixels, STRIDES[number])
        for share, pixels in zip((across, down), size, strict=True)
    )
    with view:
        show_chart(
            photo_squares(data_uri(shown.jpeg), size, centre, squares(number, wanted, fields)),
            name="receptive_field",
            alt=f"{file.name}, {file.about}, with the anchors and receptive fields of one cell of {level}",
            data=field_table(fields),
        )


def cell_centre(share: int, pixels: int, stride: int) -> float:
    """Return where the cell's centre lies on an axis of so many pixels, `share` per cent along."""
    cells = -(-pixels // stride)
    return (min(share * cells // 100, cells - 1) + 0.5) * stride


def squares(
    number: int, wanted: Sequence[str], fields: Mapping[str, Sequence[ReceptiveField]]
) -> list[Square]:
    """Return the squares to draw for the level at index `number`."""
    small, large = ANCHOR_SIZES[number]
    found = [
        (ANCHORS, Square("Small anchor", small, BOTH_COLOUR)),
        (ANCHORS, Square("Large anchor", large, BOTH_COLOUR, "dash")),
        (
            BACKBONE,
            Square("Field of the backbone, both models", fields["v1"][number].backbone, "#64748b", "dot"),
        ),
    ]
    found += [
        (HEADS, Square(f"Field of {key.upper()}'s heads", levels[number].pixels, MODELS[key].colour))
        for key, levels in fields.items()
    ]
    return [square for kind, square in found if kind in wanted]


st.title("What the networks are made of")
st.caption(
    "V2 keeps V1's backbone and slims everything after it. All numbers are counted on the networks that run "
    "here; they do not depend on the trained weights."
)
parameters, layers, diagram, fields = st.tabs(
    ["Parameters", "Layers", "Diagram", "Anchors and view"],
    key="architecture",
    on_change="rerun",
    bind="query-params",
)
try:
    with parameters:
        if parameters.open:
            show_parameters()
    with layers:
        if layers.open:
            show_layers(*choose_input_size())
    with diagram:
        if diagram.open:
            show_diagram(*choose_input_size())
    with fields:
        if fields.open:
            show_fields()
except InputSizeError as error:
    st.error(plain(str(error)), icon=":material/error:")
