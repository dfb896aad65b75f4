"""The Video page's sections: upload, analysis with progress, timeline, frame viewer, stability, downloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from featherface.dashboard.components.compared_panels import compared_panels
from featherface.dashboard.components.downloads import download_button
from featherface.dashboard.components.frame_handover import open_on_detection_page
from featherface.dashboard.components.viewer import show_viewer
from featherface.dashboard.components.widgets import badge_line, plain, required_choice
from featherface.dashboard.server.streamlit_internals import discard_uploads
from featherface.dashboard.state.session_video import session_video, video_store
from featherface.dashboard.state.shared_service import model_service
from featherface.detection.agreement import Agreement
from featherface.detection.detections import Detections
from featherface.detection.drawing import Hide, encode_image
from featherface.detection.images import Photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.reporting.figures.video_timeline import video_timeline
from featherface.serving.video_job import OpenVideo, VideoJob
from featherface.study.provenance import Badge
from featherface.video.analysis import Detect, FrameFaces, VideoFaces
from featherface.video.anonymising import anonymised
from featherface.video.decoding import MAX_FRAMES, MAX_SECONDS, MAX_VIDEO_BYTES, VideoError, frame_at
from featherface.video.encoding import encode_webm, side_by_side
from featherface.video.exports import video_csv, video_json, video_mot
from featherface.video.tracks import Stability

__all__ = ["LOWEST_CONFIDENCE", "choose_video", "run_analysis", "show_results"]

LOWEST_CONFIDENCE = 0.1  # faces kept by the analysis; the slider filters them
_DISPLAY_SIDE = 1280  # pixels
_EVERY = (1, 2, 3, 5, 10, 30)


def choose_video() -> OpenVideo | None:
    """Show the uploader, or the video that is open with a button to close it."""
    mine = session_video()
    if mine.video is None:
        _upload()
        return mine.video
    info = mine.video.info
    length = "unknown length" if info.seconds is None else f"{info.seconds:.1f} s"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{plain(mine.video.name)}** · {info.width} × {info.height} pixels · {length} · "
            f"{info.frames_per_second:.0f} frames/s · {plain(info.codec)}"
        )
        st.button("Close video", icon=":material/close:", type="tertiary", on_click=_close_video)
    return mine.video


def _close_video() -> None:
    session_video().close()
    st.session_state.pop("video_place", None)
    _frame_photo.clear()
    _findings.clear()


def _upload() -> None:
    turn = st.session_state.setdefault("video_turn", 0)
    file = st.file_uploader(
        "Upload a video",
        type="video",
        key=f"video_{turn}",
        max_upload_size=MAX_VIDEO_BYTES // 10**6,
        help="The video stays in memory while the page is open.",
    )
    st.caption(
        f"Up to {MAX_VIDEO_BYTES // 10**6} MB, {MAX_SECONDS / 60:.0f} minutes, {MAX_FRAMES:,} frames and "
        "3840 × 2160 pixels. "
        "H.264, HEVC, VP8, VP9 or MJPEG in MP4, MOV, WebM or AVI; AV1 cannot be decoded."
    )
    refusal = st.session_state.pop("refused_video", None)
    if refusal:
        st.error(plain(refusal), icon=":material/error:")
    if file is None:
        return
    with st.spinner("Reading the video"):
        try:
            session_video().open(file.name, file.getvalue())
        except VideoError as error:
            st.session_state["refused_video"] = str(error)
        discard_uploads([file])
    st.session_state["video_turn"] = turn + 1
    st.rerun()


def run_analysis(video: OpenVideo, keys: Sequence[str], settings: DetectionSettings) -> VideoJob | None:
    """Show the button that starts an analysis, or the progress of one; return the job, if there is one."""
    mine = session_video()
    if mine.job is None:
        every = required_choice(
            "Analyse",
            _EVERY,
            1,
            "video_every",
            format_func=lambda n: (
                "every frame" if n == 1 else f"every {n}th frame".replace("3th", "3rd").replace("2th", "2nd")
            ),
        )
        if st.button("Analyse video", type="primary", icon=":material/play_arrow:"):
            mine.settings = settings
            mine.job = video_store().analyse(video, _detectors(keys, settings), every)
            st.rerun()
        return None
    if mine.job.state in ("waiting", "running"):
        _show_progress()
    else:
        _show_outcome(mine.job)
    return mine.job


def _detectors(keys: Sequence[str], settings: DetectionSettings) -> Mapping[str, Detect]:
    """Return what finds the faces of one frame, by model: passes through the service's queue."""
    service = model_service()

    def detector(key: str) -> Detect:
        return lambda photo: service.detect_frame(photo, key, settings)[0]

    return {key: detector(key) for key in keys}


@st.fragment(run_every=1.0)
def _show_progress() -> None:
    job = session_video().job
    if job is None or job.state not in ("waiting", "running"):
        st.rerun()
    if job.state == "waiting":
        st.progress(0.0, "Waiting: another visitor's video is being analysed.")
    else:
        total, left = job.frames_expected, job.seconds_left
        share = min(1.0, job.frames_done / total) if total else 0.0
        expected = f" of {total:,}" if total else ""
        remaining = "" if left is None else f", about {left:.0f} s left"
        st.progress(share, f"Analysed {job.frames_done:,}{expected} frames{remaining}")
    st.button("Stop and keep the results", icon=":material/stop:", on_click=job.stop)


def _show_outcome(job: VideoJob) -> None:
    if job.error is not None:
        st.error(plain(job.error), icon=":material/error:")
    expected = job.frames_expected
    rate = job.frames_done / job.seconds if job.seconds else 0.0
    text = f"Analysed {job.frames_done:,} frames in {job.seconds:.1f} s ({rate:.1f} frames/s)."
    if job.state == "stopped" and not job.frames_done:
        text = "Stopped before the first frame."
    elif job.state == "stopped":
        text += " Stopped early: the results cover the frames up to there."
    elif job.at_limit:
        text += (
            f" Stopped at the limit of {MAX_SECONDS / 60:.0f} minutes or {MAX_FRAMES:,} frames: "
            "the results and the saved videos end there."
        )
    elif job.error is None and expected is not None and job.frames_done < 0.95 * expected:
        text += f" The file ends early: its header states {expected:,} frames."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(text)
        st.button("Analyse again", icon=":material/replay:", type="tertiary", on_click=_forget_job)


def _forget_job() -> None:
    session_video().job = None
    _findings.clear()


def show_results(video: OpenVideo, job: VideoJob, keys: tuple[str, str], confidence: float) -> None:
    """Show everything that follows from the frames analysed so far."""
    if not job.frames_done:
        st.info("No frame has been analysed.")
        return
    findings = _findings(job, keys, confidence)
    faces, analysed = findings.faces, findings.keys
    place = min(int(st.session_state.get("video_place", 0)), len(faces.frames) - 1)
    st.subheader("Timeline", anchor=False)
    st.caption("Select a point to show its frame.")
    _show_timeline(findings, place)
    photo = _show_frame(video, faces.frames[place], analysed)
    if photo is not None and st.button(
        "Open this frame on the Detection page",
        icon=":material/open_in_new:",
        help="Opens with the settings of this analysis, so that the models find the same faces.",
    ):
        name = f"{Path(video.name).stem} frame {faces.frames[place].index}.png"
        settings = replace(session_video().settings, confidence=confidence)
        open_on_detection_page(name, encode_image(photo.pixels, "png"), keys, settings)
    _show_stability(findings)
    _show_downloads(video, faces, analysed)


@dataclass(frozen=True, eq=False)
class _Findings:
    """What the page shows of one analysis at one confidence threshold.

    job: kept because its identity is the key in the cache. keys: the models that ran. agreements: frame by
    frame, empty unless two models ran.
    """

    job: VideoJob
    faces: VideoFaces
    keys: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    stability: Mapping[str, Stability | None]


@st.cache_resource(
    scope="session", max_entries=1, show_spinner="Comparing the frames", hash_funcs={VideoJob: id}
)
def _findings(job: VideoJob, keys: tuple[str, ...], confidence: float) -> _Findings:
    """Compare the frames of an analysis that has ended: seconds for a long video, so not with every click."""
    faces = job.faces().above(confidence)
    analysed = tuple(key for key in keys if key in faces.frames[0].faces)
    agreements = faces.agreements(*analysed) if len(analysed) == 2 else ()
    return _Findings(job, faces, analysed, agreements, {key: faces.stability(key) for key in analysed})


def _show_timeline(findings: _Findings, place: int) -> None:
    faces, keys = findings.faces, findings.keys
    names = " and ".join(MODELS[key].name for key in keys)
    st.plotly_chart(
        video_timeline(faces, keys, findings.agreements, place),
        key="video_timeline",
        on_select=_show_selected_frame,
        selection_mode="points",
        alt=f"Faces over time found by {names}, and faces that only one of them found",
    )
    with st.container(horizontal=True):
        differing = [index for index, found in enumerate(findings.agreements) if found.share < 1]
        earlier = [index for index in differing if index < place]
        later = [index for index in differing if index > place]
        _jump("Previous frame", "navigate_before", place - 1 if place else None)
        _jump("Next frame", "navigate_next", place + 1 if place + 1 < len(faces.frames) else None)
        _jump("Previous disagreement", "first_page", earlier[-1] if earlier else None)
        _jump("Next disagreement", "last_page", later[0] if later else None)


def _show_selected_frame() -> None:
    """Show the frame of the point that was just selected; the buttons move on from there."""
    points = st.session_state["video_timeline"].selection.points
    match points[0].get("customdata") if points else None:
        case (int() as place) | [int() as place, *_]:
            st.session_state["video_place"] = place


def _jump(label: str, icon: str, place: int | None) -> None:
    def go() -> None:
        st.session_state["video_place"] = place

    st.button(label, icon=f":material/{icon}:", on_click=go, disabled=place is None)


def _show_frame(video: OpenVideo, found: FrameFaces, keys: Sequence[str]) -> Photo | None:
    """Show a frame with the faces of each model; return it, None where it cannot be decoded."""
    st.subheader(f"Frame {found.index} at {found.seconds:.2f} s", anchor=False)
    try:
        photo = _frame_photo(video.digest, found.index, found.seconds, video)
    except VideoError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None
    small = photo.shrunk(_DISPLAY_SIDE)
    title = f"Frame {found.index} of {video.name}"
    faces = {key: found.faces[key] for key in keys}
    show_viewer(
        f"{video.digest}:{found.index}",
        encode_image(small.pixels, "jpeg"),
        (photo.width, photo.height),
        compared_panels(title, faces, "No face found in this frame.", _notes),
        landmarks=True,
        scores=True,
        differences=len(keys) == 2,
    )
    return photo


@st.cache_resource(scope="session", max_entries=4, show_spinner="Decoding the frame")
def _frame_photo(digest: str, index: int, seconds: float, _video: OpenVideo) -> Photo:
    return frame_at(_video.data, _video.name, index, seconds).photo


def _notes(faces: Detections) -> list[str]:
    sizes = (faces.boxes[:, 2:] - faces.boxes[:, :2]).tolist()
    return [
        f"Score {score:.3f}\n{width:.0f} × {height:.0f} pixels"
        for (width, height), score in zip(sizes, faces.scores.tolist(), strict=True)
    ]


def _show_stability(findings: _Findings) -> None:
    st.subheader("Stability", anchor=False)
    rows = []
    for key, steady in findings.stability.items():
        if steady is not None:
            rows.append(
                {
                    "Model": MODELS[key].name,
                    "Tracks": steady.tracks,
                    "Fragments per minute": steady.fragments_per_minute,
                    "Flicker per minute": steady.flicker_per_minute,
                    "Centre jitter (% of face size)": _percent(steady.centre_jitter),
                    "Scale jitter (%)": _percent(steady.scale_jitter),
                }
            )
    if not rows:
        st.caption("Stability needs at least two analysed frames.")
        return
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="%.1f") for name in list(rows[0])[2:]},
        alt="Stability of each model: tracks, fragments and flicker per minute, centre and scale jitter",
    )
    badge_line(
        Badge.MEASURED,
        "In this video, without labels; lower is more stable. A track links one face through consecutive "
        "frames (IoU 0.3 or more). Fragments: stretches of detection that begin after the first frame. "
        "Flicker: a face lost for one to three frames and found again. Jitter: median distance of a box from "
        "the mean of its neighbours in time. Tracking after Bochinski et al. 2017; measures after Zhang and "
        "Wang 2016 (arXiv 1611.06467).",
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _show_downloads(video: OpenVideo, faces: VideoFaces, keys: Sequence[str]) -> None:
    st.subheader("Downloads", anchor=False)
    stem = Path(video.name).stem or "video"
    models = {key: MODELS[key] for key in keys}

    def hidden(hide: Hide) -> bytes:
        return encode_webm(anonymised(video.data, faces, keys, hide), faces)

    with st.container(horizontal=True):
        download_button(
            "Side-by-side video (WebM)",
            lambda: encode_webm(side_by_side(video.data, faces, models), faces),
            f"{stem}.faces.webm",
            "video/webm",
            icon=":material/movie:",
        )
        download_button("Blurred video (WebM)", lambda: hidden("blur"), f"{stem}.blurred.webm", "video/webm")
        download_button(
            "Pixelated video (WebM)", lambda: hidden("pixelate"), f"{stem}.pixelated.webm", "video/webm"
        )
        download_button("Faces (JSON)", lambda: video_json(faces), f"{stem}.faces.json", "application/json")
        download_button("Faces (CSV)", lambda: video_csv(faces), f"{stem}.faces.csv", "text/csv")
        for key in keys:
            download_button(
                f"{MODELS[key].short_name} tracks (MOT)",
                partial(video_mot, faces, key),
                f"{stem}.{key}.mot.txt",
                "text/plain",
            )
    if faces.every > 1:
        st.caption("Videos contain the analysed frames only.")
    st.caption(
        "Blurred and pixelated videos hide every face that a model found, gaps of up to three frames "
        "included. A face that both models miss for longer stays visible: check before you share."
    )
