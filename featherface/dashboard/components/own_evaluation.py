"""Evaluation on a visitor's own annotated images, or of a results file from the command line."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from featherface.checkpoints import WeightsError
from featherface.config import MAX_BYTES
from featherface.dashboard.components.evaluation_panel import named_runs, own_run_name, show_runs
from featherface.dashboard.components.widgets import plain, show_errors
from featherface.dashboard.state.session_evaluations import add_curves, evaluate_zip, forget_runs, own_curves
from featherface.evaluation.curves import CurvesError
from featherface.evaluation.wider_zip import MAX_ZIP_IMAGES, WiderZipError
from featherface.reporting.evaluation_runs import runs

__all__ = ["show_own_evaluation"]

_MAX_MEGABYTES = MAX_BYTES // 10**6
_NAMED = 100  # images left out that the page names
_COMMAND = """\
python -m featherface evaluate --images WIDER_val/images --ground-truth eval_tools/ground_truth \\
    --predictions found.jsonl --curves weights/evaluation/all_wider.json"""


def show_own_evaluation() -> None:
    """Show the two uploads, the results of this session and the command for whole folders."""
    st.markdown(
        f"Upload a zip of annotated images (up to {_MAX_MEGABYTES} MB and {MAX_ZIP_IMAGES} images) in "
        "the layout of WIDER FACE: `EVENT/NAME.jpg` and one annotation file `..._bbx_gt.txt`. The zip is "
        "read in memory and never written to disk. All models run on every image at its original size; "
        "average precision is reported by face height."
    )
    with_images, with_results = st.columns(2, gap="large")
    with with_images:
        archive = st.file_uploader(
            "Zip of annotated images", type="zip", key="zip_upload", max_upload_size=_MAX_MEGABYTES
        )
        pressed = st.button(
            "Evaluate", key="evaluate_zip", icon=":material/play_arrow:", disabled=archive is None
        )
        if pressed and archive is not None:
            _evaluate(archive.getvalue(), archive.name)
    with with_results:
        file = st.file_uploader(
            "Results file from the command line",
            type="json",
            key="curves_upload",
            max_upload_size=_MAX_MEGABYTES,
        )
        pressed = st.button(
            "Show results", key="add_curves", icon=":material/add_chart:", disabled=file is None
        )
        if pressed and file is not None:
            _add(file.getvalue(), file.name)
    found = named_runs(runs(own_curves()), own_run_name)
    if found:
        show_runs(found, "own", shareable=False)
        st.button(
            "Remove these results",
            key="forget_runs",
            icon=":material/delete:",
            type="tertiary",
            on_click=forget_runs,
        )
    _show_command()


def _show_command() -> None:
    with st.expander("Evaluate a folder from the command line", icon=":material/terminal:"):
        st.markdown(
            "The dashboard does not open folders on the server, because any visitor could then read the "
            "server's files. For a folder, such as the full WIDER FACE validation set with the subsets easy, "
            "medium and hard, use the command line. It can use several processes or a Dask cluster and "
            "resumes where it stopped:"
        )
        st.code(_COMMAND, language="bash", wrap_lines=True)
        st.markdown(
            "This page shows all results in `weights/evaluation` that were made with the current weights. "
            "You can also upload a results file here."
        )


def _evaluate(data: bytes, name: str) -> None:
    bar = st.progress(0.0, "Reading the zip")

    def show_progress(done: int, total: int) -> None:
        bar.progress(done / total, f"Evaluated {done} of {total}")

    try:
        skipped = evaluate_zip(data, name, show_progress)
    except (WiderZipError, WeightsError) as error:
        show_errors([str(error)])
    else:
        _select_newest()
        _show_skipped(skipped)
    bar.empty()


def _show_skipped(skipped: Sequence[str]) -> None:
    """Show a line that says how many images were left out, and opens to name each with the reason."""
    if skipped:
        label = "1 image was left out" if len(skipped) == 1 else f"{len(skipped):,} images were left out"
        with st.expander(label, icon=":material/warning:"):
            more = len(skipped) - _NAMED
            st.markdown("\n".join(f"- {plain(text)}" for text in skipped[:_NAMED]))
            if more > 0:
                st.markdown(f"and {more:,} more.")


def _add(data: bytes, name: str) -> None:
    try:
        add_curves(data, name)
    except CurvesError as error:
        show_errors([str(error)])
    else:
        _select_newest()


def _select_newest() -> None:
    """Show the run that was just added, whichever was shown before."""
    newest = own_curves()[-1]
    found = named_runs(runs(own_curves()), own_run_name)
    st.session_state["own_run"] = next(name for name, run in found.items() if newest in run.results.values())
