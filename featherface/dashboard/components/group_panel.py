"""The same table as for attributes, for groups that a visitor labelled: images in a zip, groups in a CSV."""

from __future__ import annotations

import streamlit as st

from featherface.checkpoints import WeightsError
from featherface.config import MAX_BYTES
from featherface.dashboard.components.downloads import csv_button
from featherface.dashboard.components.slice_table import (
    attributes_commands,
    show_slice_table,
    slice_table,
)
from featherface.dashboard.components.widgets import badge_line, plain, show_errors
from featherface.dashboard.state.session_groups import (
    GroupFile,
    GroupResult,
    compare_groups,
    forget_groups,
    own_groups,
)
from featherface.evaluation.wider_zip import MAX_ZIP_IMAGES, WiderZipError
from featherface.files import short_name
from featherface.reporting.wording import faces_text, images_text, when_text
from featherface.robustness.attribute_slices import SliceError, csv_columns
from featherface.study.provenance import Badge

__all__ = ["show_own_groups"]

_MAX_MEGABYTES = MAX_BYTES // 10**6
_GROUP_OPTIONS = "--manifest people.jsonl --groups people.csv --column skin_tone"


def show_own_groups() -> None:
    """Show what is not measured, the two uploads, this session's table, and the commands for more images."""
    st.markdown(
        "**Not measured:** performance by skin tone, age or gender. WIDER FACE has no such labels, and this "
        "project does not guess them from photos. With labels of your own, all models are compared on your "
        f"groups: a zip of annotated images (up to {_MAX_MEGABYTES} MB and {MAX_ZIP_IMAGES} images, in the "
        "layout of WIDER FACE, as on the Accuracy page), and a CSV file with the columns `image` (as in the "
        "annotations), `face` (optional, its number there, from 1) and one for the group. Both are read in "
        "memory and never written to disk."
    )
    with_images, with_groups = st.columns(2, gap="large")
    archive = with_images.file_uploader(
        "Zip of annotated images", type="zip", key="groups_zip", max_upload_size=_MAX_MEGABYTES
    )
    table = with_groups.file_uploader(
        "CSV file of groups", type="csv", key="groups_csv", max_upload_size=_MAX_MEGABYTES
    )
    column = None
    if table is not None:
        with with_groups:
            column = _choose_column(table.getvalue(), table.name)
    pressed = st.button(
        "Compare groups",
        key="compare_groups",
        icon=":material/play_arrow:",
        disabled=archive is None or column is None,
    )
    if pressed and archive is not None and table is not None and column is not None:
        _compare(GroupFile(archive.getvalue(), archive.name), GroupFile(table.getvalue(), table.name), column)
    found = own_groups()
    if found is not None:
        _show(found)
    with st.expander("More images from the command line", icon=":material/terminal:"):
        commands = attributes_commands("--manifest people.jsonl", _GROUP_OPTIONS)
        st.code(commands, language="bash", wrap_lines=True)


def _choose_column(data: bytes, name: str) -> str | None:
    try:
        columns = csv_columns(data, short_name(name))
    except SliceError as error:
        show_errors([str(error)])
        return None
    return st.selectbox("Column of the group", columns, key="groups_column")


def _compare(archive: GroupFile, groups: GroupFile, column: str) -> None:
    bar = st.progress(0.0, "Reading the zip")

    def show_progress(done: int, total: int) -> None:
        bar.progress(done / total, f"Evaluated {done} of {total}")

    try:
        compare_groups(archive, groups, column, show_progress)
    except (WiderZipError, WeightsError, SliceError) as error:
        show_errors([str(error)])
    bar.empty()


def _show(found: GroupResult) -> None:
    first = found.results[0]
    badge_line(
        Badge.MEASURED,
        plain(f"{first.image_set}, {images_text(first.images)}, {when_text(first.date)}: {found.column}"),
    )
    show_slice_table(found.results, found.column)
    st.markdown("\n".join(f"- {plain(line)}" for line in _not_measured(found)))
    with st.container(horizontal=True):
        csv_button(
            "Groups (CSV)", lambda: slice_table(found.results, found.column), "groups", key="groups_table"
        )
        st.button(
            "Remove this result",
            key="forget_groups",
            icon=":material/delete:",
            type="tertiary",
            on_click=forget_groups,
        )


def _not_measured(found: GroupResult) -> list[str]:
    """Return what the table leaves out, one sentence each."""
    slices = found.results[0].slices
    few, unlabelled = sum(one.recall is None for one in slices), found.faces - found.labelled
    lines = []
    if unlabelled:
        have = "has" if unlabelled == 1 else "have"
        lines.append(
            f"Not measured: {unlabelled:,} of {faces_text(found.faces)} {have} no value of {found.column}."
        )
    if few:
        combinations = f"{few} of {len(slices)} combinations of group and face height"
        lines.append(
            f"Not measured: {combinations} {'has' if few == 1 else 'have'} faces in too few images; the "
            "table says why."
        )
    lines.append(
        "Not measured: anything that the CSV file does not name. Groups can differ in blur, pose or light "
        "too, so a difference between groups is not by itself an effect of the group."
    )
    return [*lines, *(f"Left out: {reason}" for reason in found.skipped)]
