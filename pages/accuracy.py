"""Accuracy: average precision of both models, of their peers, and how it came about in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from featherface.checkpoints.files import WeightsError
from featherface.config import MAX_BYTES
from featherface.dashboard.components.peer_table import peer_table, source_table
from featherface.dashboard.components.widgets import badge_text, plain, refusals, required_choice, show_chart
from featherface.dashboard.state.own_runs import add_curves, evaluate_zip, forget_runs, own_curves
from featherface.dashboard.state.sample_comparison import untrained_models
from featherface.dashboard.state.study_measurements import curves_of_shipped_weights, logs_of_training
from featherface.evaluation.curves import CurvesError, SavedCurves
from featherface.evaluation.wider_zip import MAX_ZIP_PICTURES, WiderZipError
from featherface.models import MODELS
from featherface.profiling.machine import Badge
from featherface.reporting.evaluation_runs import Run, runs
from featherface.reporting.figures.results_figures import (
    curve_chart,
    losses_chart,
    peers_chart,
    precision_bars,
    scores_chart,
)
from featherface.reporting.wording import when_text
from featherface.study.claims import CLAIMS
from featherface.study.peers import OPERATIONS_NOTE, Peer, by_protocol, peers
from featherface.study.results import TrainingLog, accuracy

_ADDRESS = {"bind": "query-params"}
_SESSION = {"persist_state": "session"}  # whoever follows a link does not have this session's own results
_MEASURES = ("easy", "medium", "hard", "mean")
_WIDTHS = {"parameters": "Parameters", "operations": "Operations, as printed"}
_COMMAND = """\
python -m featherface evaluate --images WIDER_val/images --ground-truth eval_tools/ground_truth \\
    --predictions found.jsonl --curves weights/evaluation/all_wider.json"""


def show_overall(official: Sequence[Run]) -> None:
    """Show measured, published and targeted average precision in one table, each with its badge."""
    rows = [_measured_row(key, run) for run in official for key in run.results]
    rows += [_published_row(peer) for peer in peers() if peer.name.startswith(MODELS["v1"].name)]
    target = next(claim for claim in CLAIMS if claim.id == "target-map")
    rows.append(
        {
            "Model": _model_cell("v2", Badge.TARGET, f"the study: {plain(target.quote)}"),
            "Mean": f"{target.low / 100:.2f}+",
        }
    )
    missing = [entry.name for key, entry in MODELS.items() if not any(key in run.results for run in official)]
    if missing:
        st.info(
            f"Not yet measured for {' and '.join(missing)}: no result of the official protocol lies beside "
            "the weights in use.",
            icon=":material/pending:",
        )
    st.table(
        pd.DataFrame(rows).fillna(""),
        border="horizontal",
        alt="Average precision of both models, measured, published and targeted",
    )


def _measured_row(key: str, run: Run) -> dict[str, str]:
    saved = run.results[key]
    found = accuracy(saved)
    return {
        "Model": _model_cell(key, Badge.MEASURED, f"{plain(run.title)}, {found.pictures:,} pictures"),
        **{name.capitalize(): f"{getattr(found, name):.3f}{_interval(saved, name)}" for name in _MEASURES},
    }


def _interval(saved: SavedCurves, subset: str) -> str:
    curve = saved.evaluation.curves.get(subset)
    if curve is None or curve.interval is None:
        return ""
    low, high = curve.interval
    return f"  \n:small[:gray[{low:.3f}\u2013{high:.3f}]]"


def _published_row(peer: Peer) -> dict[str, str]:
    mean = (peer.easy + peer.medium + peer.hard) / 3
    scores = {"easy": peer.easy, "medium": peer.medium, "hard": peer.hard, "mean": mean}
    return {
        "Model": _model_cell(
            "v1", Badge.PUBLISHED, f"[{plain(peer.source)}]({peer.link}), {plain(peer.protocol)}"
        ),
        **{name.capitalize(): f"{score / 100:.3f}" for name, score in scores.items()},
    }


def _model_cell(key: str, origin: Badge, source: str) -> str:
    return f"**{MODELS[key].name}** {badge_text(origin)}  \n:small[:gray[{source}]]"


def run_name(run: Run) -> str:
    """Return what tells a shipped run from the others, and does not change when it is measured again."""
    pictures = run.first.evaluation.pictures
    return f"{run.title}, {pictures:,} picture{'' if pictures == 1 else 's'}"


def own_run_name(run: Run) -> str:
    """Return the name with protocol and time, as one zip may be evaluated twice in a minute."""
    kind = "official subsets" if run.official else "by face height"
    return f"{run_name(run)}, {kind}, {datetime.fromisoformat(run.first.date):%d %B %Y, %H:%M:%S}"


def by_name(found: Sequence[Run], name: Callable[[Run], str]) -> dict[str, Run]:
    """Return the runs by name; further ones of one name, such as a second evaluation, are numbered."""
    named, counts = {}, Counter()
    for run in found:
        title = name(run)
        counts[title] += 1
        named[title if counts[title] == 1 else f"{title} ({counts[title]})"] = run
    return named


def show_runs(found: Mapping[str, Run], key: str, kept: Mapping[str, str]) -> None:
    """Let a person choose one of the runs by name and show its average precision and curves.

    kept: _ADDRESS or _SESSION, where the choices are kept.
    """
    name = next(iter(found))
    if len(found) > 1:
        name = st.selectbox("Pictures", list(found), key=f"{key}_run", **kept)
    run = found[name]
    _badge_line(Badge.MEASURED, plain(f"{run.title}: {run.about}"))
    bars, curves = st.columns(2, gap="large")
    with bars:
        show_bars(run, key)
    with curves:
        show_curves(run, key, kept)


def show_bars(run: Run, key: str) -> None:
    """Show average precision by subset."""
    found = run.by_model()
    st.subheader("Average precision")
    summary = "; ".join(
        f"{MODELS[model].name} "
        + ", ".join(f"{name} {curve.average_precision:.3f}" for name, curve in curves.items())
        for model, curves in found.items()
    )
    show_chart(precision_bars(found), name=f"{key}_precision", alt=summary, data=run.scores())
    st.caption(
        "Faces: "
        + ", ".join(f"{plain(name)} {faces:,}" for name, faces in run.subsets.items())
        + ". Thin lines: the 95 % interval, from 1,000 sets of pictures drawn anew from these (bootstrap)."
    )


def show_curves(run: Run, key: str, kept: Mapping[str, str]) -> None:
    """Show precision against recall of one subset."""
    st.subheader("Precision and recall")
    names = list(run.subsets)
    default = "hard" if "hard" in names else names[0]
    subset = st.segmented_control(
        "Faces",
        names,
        default=default,
        required=True,
        key=f"{key}_subset",
        label_visibility="collapsed",
        **kept,
    )
    subset = subset or default  # an address may leave it empty for all that
    curves = run.curves(subset)
    summary = ", ".join(
        f"{MODELS[model].name} {curve.average_precision:.3f}" for model, curve in curves.items()
    )
    show_chart(
        curve_chart(curves),
        name=f"{key}_curve",
        alt=f"Precision against recall, {subset} faces. Average precision: {summary}",
        data=run.points(subset),
    )


def show_own_runs() -> None:
    """Take pictures or a result file, and show what came of them."""
    st.header("Your own pictures")
    st.markdown(
        f"Put annotated pictures into one zip of up to {MAX_BYTES // 2**20} MB and {MAX_ZIP_PICTURES} "
        "pictures, laid out as WIDER FACE: `EVENT/NAME.jpg` and one file `..._bbx_gt.txt`. It is read in "
        "memory and never unpacked to disk. Both models look at every picture at its original size; average "
        "precision is given by face height."
    )
    chosen, brought = st.columns(2, gap="large")
    with chosen:
        archive = st.file_uploader("Zip of annotated pictures", type="zip", key="zip_upload")
        if st.button("Evaluate", key="evaluate_zip", icon=":material/play_arrow:", disabled=archive is None):
            _evaluate(archive.getvalue(), archive.name)
    with brought:
        file = st.file_uploader("Result file of the command below", type="json", key="curves_upload")
        if st.button("Show it", key="add_curves", icon=":material/add_chart:", disabled=file is None):
            _add(file.getvalue(), file.name)
    found = by_name(runs(own_curves()), own_run_name)
    if found:
        show_runs(found, "own", _SESSION)
        st.button(
            "Forget these results",
            key="forget_runs",
            icon=":material/delete:",
            type="tertiary",
            on_click=forget_runs,
        )
    with st.expander("A whole folder, by command", icon=":material/terminal:"):
        st.markdown(
            "A page that opens any folder that a visitor names would open the server's files to everybody. "
            "So folders are for the command line, which also takes several processes or a Dask cluster, and "
            "goes on where it was stopped. The official validation set with easy, medium and hard:"
        )
        st.code(_COMMAND, language="bash")
        st.markdown(
            "What lies in `weights/evaluation` and was made with the weights in use is shown above on the "
            "next visit; or bring the file here."
        )


def _evaluate(data: bytes, name: str) -> None:
    bar = st.progress(0.0, "Reading the zip")
    try:
        evaluate_zip(
            data, name, lambda done, total: bar.progress(done / total, f"Passes done: {done} of {total}")
        )
    except (WiderZipError, WeightsError) as error:
        refusals([str(error)])
    else:
        _choose_newest()
    bar.empty()


def _add(data: bytes, name: str) -> None:
    try:
        add_curves(data, name)
    except CurvesError as error:
        refusals([str(error)])
    else:
        _choose_newest()


def _choose_newest() -> None:
    """Show what somebody just asked for, whichever of their runs was shown before."""
    newest = own_curves()[-1]
    found = by_name(runs(own_curves()), own_run_name)
    st.session_state["own_run"] = next(name for name, run in found.items() if newest in run.results.values())


def show_peers(official: Sequence[Run]) -> None:
    """Show published detectors of similar size; protocols share an axis only as different symbols."""
    st.header("Among detectors of similar size")
    protocols = list(by_protocol(peers()))
    chosen = st.pills(
        "Input protocol",
        protocols,
        default=protocols[:1],
        selection_mode="multi",
        key="protocols",
        bind="query-params",
        help="At what size pictures went in. It decides on much of the result, so each has its own symbol.",
    )
    against, faces = st.columns(2, gap="large")
    with against:
        width = required_choice(
            "Against", list(_WIDTHS), "parameters", "peer_width", format_func=str.capitalize
        )
    with faces:
        measure = required_choice("Faces", _MEASURES, "hard", "peer_measure")
    rows = peer_table(official, width, measure)
    rows = rows[rows["protocol"].isin(chosen)]
    drawn = rows.dropna(subset="x")
    if drawn.empty:
        st.caption("No figure of this kind is published for the protocols chosen.")
    else:
        show_chart(
            peers_chart(drawn, _WIDTHS[width], f"Average precision, {measure}, %"),
            name="peers",
            alt="; ".join(drawn["name"] + drawn["precision"].map(" {:.1f}".format)),
            data=rows,
        )
    st.markdown(
        f":small[:gray[Grey:] {badge_text(Badge.PUBLISHED)} :gray[by the source named in the tooltip. Blue "
        f"and orange:] {badge_text(Badge.MEASURED)} :gray[here.]]"
    )
    left_out = rows[rows["x"].isna()]["name"]
    if len(left_out):
        st.caption(plain(f"Not drawn, as their source states no {width}: {', '.join(left_out)}."))
    if len(chosen) > 1:
        st.caption("Several protocols are shown: compare only points of one symbol.")
    with st.expander("All figures and their sources", icon=":material/article:"):
        _show_sources()


def _show_sources() -> None:
    st.dataframe(
        source_table(),
        hide_index=True,
        column_config={
            "Detector": st.column_config.TextColumn(pinned=True),
            "Link": st.column_config.LinkColumn(),
            "Parameters": st.column_config.NumberColumn(format="localized"),
        },
        alt="Published average precision of small face detectors with protocol and source",
    )
    _badge_line(Badge.PUBLISHED, f"Per cent, WIDER FACE validation set. {OPERATIONS_NOTE}")


def show_training(logs: Sequence[TrainingLog]) -> None:
    """Show the losses and the development scores of one stage of training."""
    st.header("Training")
    if not logs:
        st.caption("No log of the trainer lies beside the weights.")
        return
    stages = {f"{MODELS[log.model].name}: {log.stage}": log for log in logs}
    first = next(iter(stages))
    log = stages[required_choice("Stage", list(stages), first, "training_log", label_visibility="collapsed")]
    last = log.losses.iloc[-1]
    _badge_line(Badge.MEASURED, f"By the trainer, last on {_day(last)}.")
    losses, scores = st.columns(2, gap="large") if log.scores is not None else (st.container(), None)
    with losses:
        st.subheader("Loss")
        show_chart(
            losses_chart(log),
            name="training_losses",
            alt=f"Mean loss of {MODELS[log.model].name}, {last['mean']:.3g} after {last['step']:,.0f} steps",
            data=log.losses,
        )
    if scores is not None:
        with scores:
            st.subheader("Average precision on development pictures")
            best = log.scores.drop(columns="step").mean(axis=1).max()
            show_chart(
                scores_chart(log),
                name="training_scores",
                alt=f"Average precision while {MODELS[log.model].name} trained; best mean {best:.3f}",
                data=log.scores,
            )


def _badge_line(origin: Badge, text: str) -> None:
    """Show a badge and a line of small print, which in a caption would fade the badge too."""
    st.markdown(f"{badge_text(origin)} :small[:gray[{text}]]")


def _day(row: pd.Series) -> str:
    return when_text(row["time"]) if isinstance(row.get("time"), str) else "an unknown day"


st.title("Accuracy")
st.caption(
    "Average precision is the area under the curve of precision against recall: 1 is perfect. Only results "
    "on the same pictures, at the same input size and by the same protocol compare."
)
for sentence in untrained_models():
    st.info(sentence, icon=":material/model_training:")
shipped = runs(curves_of_shipped_weights())
official_runs = [run for run in shipped if run.official and all(map(accuracy, run.results.values()))]
show_overall(official_runs)
if official_runs:
    st.header("Easy, medium and hard")
    show_runs(by_name(official_runs, run_name), "official", _ADDRESS)
by_height = [run for run in shipped if not run.official]
if by_height:
    st.header("By face height")
    show_runs(by_name(by_height, run_name), "heights", _ADDRESS)
show_peers(official_runs)
show_training(logs_of_training())
show_own_runs()
